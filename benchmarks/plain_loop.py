"""The reference in the plain style of the usual scripts: simple, independent of the engine, and slow.

Everything goes query by query: a generated token costs a forward pass over its whole sequence, and a loss one
forward pass a path. There is no cache and no batch. `planviz bench` measures the engine against it, and tests
compare the engine's numbers with it. Random numbers come from torch's global generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from planviz.task import Bools

Query = tuple[int, int]
"""(source, target)"""

Text = tuple[int, int, Sequence[int]]
"""(source, target, the tokens after the prompt)"""

TARGET_DECAY = 0.9


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(0.02 * torch.randn(shape))


class Block(nn.Module):
    """Causal self-attention and an MLP, each with layer norm before and a residual around it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = weight(3 * width, width)
        self.attention_out = weight(width, width)
        self.mlp_in = weight(4 * width, width)
        self.mlp_out = weight(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(F.layer_norm(x, x.shape[-1:]))
        hidden = F.gelu(F.linear(F.layer_norm(x, x.shape[-1:]), self.mlp_in))
        return x + F.linear(hidden, self.mlp_out)

    def attention(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        projected = F.linear(x, self.query_key_value).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = (projected[:, :, i].transpose(1, 2) for i in range(3))
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return F.linear(attended.transpose(1, 2).reshape(batch, length, width), self.attention_out)


class PlainTransformer(nn.Module):
    """A decoder as in nanoGPT: learned positions, norms without weights, an untied head with a bias."""

    def __init__(self, nodes: int, context: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.token_embedding = weight(nodes + 1, width)
        self.position_embedding = weight(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.head = weight(nodes + 1, width)
        self.head_bias = nn.Parameter(torch.zeros(nodes + 1))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) of the token after each of the tokens (B, T)."""
        x = self.token_embedding[tokens] + self.position_embedding[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(F.layer_norm(x, x.shape[-1:]), self.head, self.head_bias)


@torch.no_grad()
def generate(
    model: nn.Module,
    source: int,
    target: int,
    max_steps: int,
    temperature: float,
    exploration: float = 0.0,
) -> list[int]:
    """The tokens after the prompt, up to and including the target or EOS, at most `max_steps` of them.

    Temperature 0 always takes the likeliest token. With probability `exploration`, a token is a random node.
    """
    path: list[int] = []
    while len(path) < max_steps:
        logits = model(torch.tensor([[source, target, source, *path]]))[0, -1]
        eos = len(logits) - 1
        if torch.rand(()) < exploration:
            token = int(torch.randint(eos, ()))
        elif temperature == 0:
            token = int(logits.argmax())
        else:
            token = int(torch.multinomial(torch.softmax(logits / temperature, dim=0), 1))
        path.append(token)
        if token in (target, eos):
            break
    return path


def edges_taken(adjacency: Bools, source: int, path: Sequence[int]) -> list[bool]:
    """Whether each step of the path is an edge; a step to or from EOS is none."""
    steps = zip([source, *path[:-1]], path, strict=True)
    return [max(step) < len(adjacency) and bool(adjacency[step]) for step in steps]


def is_correct(adjacency: Bools, source: int, target: int, path: Sequence[int]) -> bool:
    """Whether every step of the path is an edge, and the last one goes to the target."""
    return path[-1] == target and all(edges_taken(adjacency, source, path))


def path_logits(model: nn.Module, source: int, target: int, path: Sequence[int]) -> Tensor:
    """(L, V): from which logits each of the L tokens of the path is chosen."""
    logits: Tensor = model(torch.tensor([[source, target, source, *path[:-1]]]))
    return logits[0, 2:]


def negative_log_likelihood(logits: Tensor, path: Sequence[int]) -> Tensor:
    """-log π(path), summed over its tokens."""
    return F.cross_entropy(logits, torch.tensor(path), reduction="sum")


def sft_loss(model: nn.Module, texts: Sequence[Text]) -> Tensor:
    """-log π(text), the mean over texts."""
    losses = [negative_log_likelihood(path_logits(model, *text), text[2]) for text in texts]
    return torch.stack(losses).mean()


def policy_gradient_loss(
    model: nn.Module, base: nn.Module, adjacency: Bools, samples: Sequence[Text], kl: float
) -> Tensor:
    """-R · log π(u) + kl · Σ_j KL(π(·|u_<j) ‖ base(·|u_<j)), the mean over samples; R = 1 if correct, else 0."""
    losses = []
    for sample in samples:
        logits = path_logits(model, *sample)
        loss = is_correct(adjacency, *sample) * negative_log_likelihood(logits, sample[2])
        if kl > 0:
            with torch.no_grad():
                base_log_probabilities = path_logits(base, *sample).log_softmax(dim=1)
            log_probabilities = logits.log_softmax(dim=1)
            divergence = log_probabilities.exp() * (log_probabilities - base_log_probabilities)
            loss = loss + kl * divergence.sum()
        losses.append(loss)
    return torch.stack(losses).mean()


def q_learning_loss(
    model: nn.Module, target_model: nn.Module, adjacency: Bools, samples: Sequence[Text]
) -> Tensor:
    """(Q(t, c, k) - r - max_k' Q_target(next state))², the mean over all steps of all samples.

    The reward r is 1[k = t] - 1[(c, k) is no edge]. The last step of a path is worth r alone.
    """
    errors = []
    for source, target, path in samples:
        edges = edges_taken(adjacency, source, path)
        expected = torch.tensor(
            [float(k == target) - (not edge) for k, edge in zip(path, edges, strict=True)]
        )
        with torch.no_grad():
            expected[:-1] += path_logits(target_model, source, target, path)[1:].amax(dim=1)
        q = path_logits(model, source, target, path)[range(len(path)), path]
        errors.append(q - expected)
    return torch.cat(errors).square().mean()


def update(optimizer: Optimizer, loss: Tensor) -> float:
    """One optimizer step; returns the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def sft_step(model: nn.Module, optimizer: Optimizer, texts: Sequence[Text]) -> float:
    """One SFT step on texts that end in EOS; returns the loss."""
    return update(optimizer, sft_loss(model, texts))


def policy_gradient_step(
    model: nn.Module,
    base: nn.Module,
    optimizer: Optimizer,
    adjacency: Bools,
    queries: Iterable[Query],
    max_steps: int,
    kl: float,
) -> float:
    """One REINFORCE step on one sampled path a query; returns the loss."""
    samples = [(s, t, generate(model, s, t, max_steps, temperature=1.0)) for s, t in queries]
    return update(optimizer, policy_gradient_loss(model, base, adjacency, samples, kl))


def q_learning_step(
    model: nn.Module,
    target_model: nn.Module,
    optimizer: Optimizer,
    adjacency: Bools,
    queries: Iterable[Query],
    max_steps: int,
    temperature: float,
    exploration: float,
) -> float:
    """One on-policy step of Q-learning, after which the target model follows; returns the loss."""
    samples = [(s, t, generate(model, s, t, max_steps, temperature, exploration)) for s, t in queries]
    loss = update(optimizer, q_learning_loss(model, target_model, adjacency, samples))
    with torch.no_grad():
        for old, new in zip(target_model.parameters(), model.parameters(), strict=True):
            old.copy_(TARGET_DECAY * old + (1 - TARGET_DECAY) * new)
    return loss


def evaluate(
    model: nn.Module,
    adjacency: Bools,
    pairs: Sequence[Query],
    samples: int,
    max_steps: int,
    temperature: float = 1.0,
) -> dict[str, float]:
    """Greedy and sampled accuracy, and how many distinct correct paths are among the samples of a pair."""
    greedy = sampled = distinct = 0
    for source, target in pairs:
        greedy += is_correct(adjacency, source, target, generate(model, source, target, max_steps, 0.0))
        paths = [generate(model, source, target, max_steps, temperature) for _ in range(samples)]
        correct = [tuple(path) for path in paths if is_correct(adjacency, source, target, path)]
        sampled += len(correct)
        distinct += len(set(correct))
    return {
        "greedy_accuracy": greedy / len(pairs),
        "sampled_accuracy": sampled / (len(pairs) * samples),
        "distinct_paths": distinct / len(pairs),
    }
