"""The plain reference against what can be worked out by hand, or by enumerating everything."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

from benchmarks.plain_loop import (
    PlainTransformer,
    evaluate,
    generate,
    is_correct,
    path_logits,
    policy_gradient_loss,
    policy_gradient_step,
    q_learning_loss,
    q_learning_step,
    sft_loss,
    sft_step,
)

Floats = npt.NDArray[np.float64]

# 0 → 1 → 3 and 0 → 2 → 3, and a way back from 3 to 0
NODES, EOS, MAX_STEPS = 4, 4, 4
EDGES = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 0)]
ADJACENCY = np.zeros((NODES, NODES), dtype=bool)
ADJACENCY[tuple(zip(*EDGES, strict=True))] = True
QUERIES = [(0, 3), (0, 1), (1, 3), (2, 3), (0, 2)] * 8


class TableModel(nn.Module):
    """Logits that depend on the last token alone."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table[tokens]


def model_that_goes(**following: int) -> TableModel:
    """A model that surely goes from node 0 to `n0`, from node 1 to `n1` and so on; elsewhere it emits EOS."""
    table = torch.full((NODES + 1, NODES + 1), -100.0)
    for node in range(NODES + 1):
        table[node, following.get(f"n{node}", EOS)] = 0
    return TableModel(table)


def transformer(seed: int = 0, layers: int = 2, heads: int = 2) -> PlainTransformer:
    """A transformer with weights so large that its logits clearly depend on all that it sees."""
    torch.manual_seed(seed)
    model = PlainTransformer(NODES, 3 + MAX_STEPS, width=8, layers=layers, heads=heads)
    for weights in model.parameters():
        nn.init.normal_(weights, std=0.5)
    return model


def weights_of(model: nn.Module) -> Tensor:
    return torch.cat([weights.detach().flatten() for weights in model.parameters()])


def sample(model: nn.Module, seed: int, temperature: float = 1.0) -> list[tuple[int, int, list[int]]]:
    torch.manual_seed(seed)
    return [(s, t, generate(model, s, t, MAX_STEPS, temperature)) for s, t in QUERIES]


def test_state_dict_has_the_agreed_names_and_shapes() -> None:
    model = PlainTransformer(nodes=10, context=7, width=12, layers=2, heads=3)
    block: dict[str, tuple[int, ...]] = {
        "query_key_value": (36, 12),
        "attention_out": (12, 12),
        "mlp_in": (48, 12),
        "mlp_out": (12, 48),
    }
    expected = {f"blocks.{i}.{name}": shape for i in range(2) for name, shape in block.items()}
    expected |= {"token_embedding": (11, 12), "position_embedding": (7, 12)}
    expected |= {"head": (11, 12), "head_bias": (11,)}
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == expected


def test_transformer_is_the_architecture_written_out_with_numpy() -> None:
    """A second writing of the architecture, head by head and position by position."""
    model = transformer()
    w = {name: value.double().numpy() for name, value in model.state_dict().items()}
    gelu = torch.nn.GELU()

    def norm(x: Floats) -> Floats:
        return np.asarray((x - x.mean()) / np.sqrt(x.var() + 1e-5))

    tokens = [0, 3, 0, 2, 1]
    states = [w["token_embedding"][token] + w["position_embedding"][i] for i, token in enumerate(tokens)]
    for block in ("blocks.0", "blocks.1"):
        projected = [(w[f"{block}.query_key_value"] @ norm(x)).reshape(3, 2, 4) for x in states]
        for i, x in enumerate(states):
            heads = []
            for head in range(2):
                scores = [projected[i][0, head] @ projected[j][1, head] / np.sqrt(4) for j in range(i + 1)]
                attention = np.exp(scores) / np.exp(scores).sum()
                heads.append(sum(attention[j] * projected[j][2, head] for j in range(i + 1)))
            x = x + w[f"{block}.attention_out"] @ np.concatenate(heads)
            hidden = gelu(torch.from_numpy(w[f"{block}.mlp_in"] @ norm(x))).numpy()
            states[i] = x + w[f"{block}.mlp_out"] @ hidden
    expected = [w["head"] @ norm(x) + w["head_bias"] for x in states]
    np.testing.assert_allclose(model(torch.tensor([tokens]))[0].detach(), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (model_that_goes(n0=1, n1=3), [1, 3]),  # arrives
        (model_that_goes(n0=1), [1, EOS]),  # stops early
        (model_that_goes(n0=1, n1=2, n2=1), [1, 2, 1, 2]),  # never arrives
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_generate_stops_at_target_at_eos_and_at_the_limit(
    model: TableModel, path: list[int], temperature: float
) -> None:
    assert generate(model, 0, 3, MAX_STEPS, temperature) == path


def test_generate_draws_from_the_softmax_and_explores_among_nodes() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.3, -0.5, 1.0, 0.0, 0.6])
    model = TableModel(logits.expand(NODES + 1, -1).clone())
    drawn = [generate(model, 0, 3, 1, 0.5, exploration=0.25)[0] for _ in range(2000)]
    expected = 0.75 * torch.softmax(logits / 0.5, dim=0) + 0.25 * torch.tensor([0.25, 0.25, 0.25, 0.25, 0])
    torch.testing.assert_close(torch.bincount(torch.tensor(drawn)) / 2000, expected, atol=0.04, rtol=0)


def test_is_correct_by_brute_force() -> None:
    """Every sequence of up to three tokens is correct if it is among the walks that follow edges."""
    for source, target in itertools.permutations(range(NODES), 2):
        walks: set[tuple[int, ...]] = {(source,)}
        for length in range(1, 4):
            walks = {(*walk, k) for walk in walks for c, k in EDGES if walk[-1] == c}
            for path in itertools.product(range(NODES + 1), repeat=length):
                expected = path[-1] == target and (source, *path) in walks
                assert is_correct(ADJACENCY, source, target, path) == expected


def test_sft_loss_is_the_mean_log_likelihood_token_by_token() -> None:
    model = transformer()
    texts = [(0, 3, [1, 3, EOS]), (0, 1, [1, EOS])]
    total = torch.zeros(())
    for source, target, path in texts:
        for j, token in enumerate(path):
            prefix = torch.tensor([[source, target, source, *path[:j]]])
            total -= model(prefix)[0, -1].log_softmax(0)[token]
    torch.testing.assert_close(sft_loss(model, texts), total / 2)


def test_policy_gradient_step_without_kl_is_an_sft_step_on_the_correct_samples() -> None:
    model, start = transformer(), weights_of(transformer())
    other = copy.deepcopy(model)
    correct = [text for text in sample(model, seed=7) if is_correct(ADJACENCY, *text)]
    assert 0 < len(correct) < len(QUERIES)
    sft_step(other, SGD(other.parameters(), lr=0.1 * len(correct) / len(QUERIES)), correct)
    torch.manual_seed(7)
    policy_gradient_step(model, model, SGD(model.parameters(), lr=0.1), ADJACENCY, QUERIES, MAX_STEPS, kl=0)
    torch.testing.assert_close(weights_of(model), weights_of(other))
    assert not torch.allclose(weights_of(model), start)


def test_kl_term_is_the_divergence_at_the_visited_prefixes() -> None:
    model, base = transformer(0), transformer(1)
    samples = sample(model, seed=7)
    divergences = []
    for text in samples:
        p = torch.distributions.Categorical(logits=path_logits(model, *text))
        q = torch.distributions.Categorical(logits=path_logits(base, *text))
        divergences.append(torch.distributions.kl_divergence(p, q).sum())
    loss = [policy_gradient_loss(model, base, ADJACENCY, samples, kl) for kl in (0.0, 0.3)]
    torch.testing.assert_close(loss[1] - loss[0], 0.3 * torch.stack(divergences).mean())
    same = policy_gradient_loss(model, copy.deepcopy(model), ADJACENCY, samples, kl=0.3)
    torch.testing.assert_close(same, loss[0])


def test_q_learning_loss_by_hand() -> None:
    model = TableModel(torch.arange(25.0).view(5, 5) / 10)  # Q(c, k) = (5 c + k) / 10
    target_model = TableModel(torch.arange(25.0).view(5, 5) / 20)  # its maximum at c is (5 c + 4) / 20
    samples = [(0, 3, [2, 1, 3]), (0, 3, [1, EOS])]
    errors = [
        0.2 - (0 + 0.7),  # 0 → 2 is an edge; the best value at 2 is 14 / 20
        1.1 - (-1 + 0.45),  # 2 → 1 is none
        0.8 - 1,  # 1 → 3 arrives
        0.1 - (0 + 0.45),  # 0 → 1
        0.9 - (-1),  # EOS is no edge and ends the path
    ]
    loss = q_learning_loss(model, target_model, ADJACENCY, samples)
    assert loss.item() == pytest.approx(np.mean(np.square(errors)))


def test_q_learning_step_moves_the_target_model_a_tenth_of_the_way() -> None:
    model, target_model = transformer(0), transformer(1)
    before = weights_of(target_model)
    optimizer = SGD(model.parameters(), lr=0.1)
    loss = q_learning_step(
        model, target_model, optimizer, ADJACENCY, QUERIES, MAX_STEPS, temperature=0.3, exploration=0.1
    )
    assert loss > 0
    assert not torch.allclose(weights_of(model), weights_of(transformer(0)))
    torch.testing.assert_close(weights_of(target_model), 0.9 * before + 0.1 * weights_of(model))


def test_evaluate_counts_correct_and_distinct_paths() -> None:
    model = model_that_goes(n1=3, n2=0)
    with torch.no_grad():
        model.table[0, [1, 2, EOS]] = torch.tensor([0.1, 0.0, -100.0])
        model.table[2, [0, 3]] = torch.tensor([-100.0, 0.0])
    torch.manual_seed(0)
    result = evaluate(model, ADJACENCY, [(0, 3), (3, 0)], samples=20, max_steps=MAX_STEPS)
    assert result == {"greedy_accuracy": 0.5, "sampled_accuracy": 0.5, "distinct_paths": 1.0}


def test_sft_learns_its_texts() -> None:
    torch.manual_seed(0)
    model = PlainTransformer(NODES, 3 + MAX_STEPS, width=16, layers=1, heads=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    texts = [(0, 3, [1, 3, EOS]), (1, 3, [3, EOS]), (3, 1, [0, 1, EOS])]
    losses = [sft_step(model, optimizer, texts) for _ in range(40)]
    assert losses[-1] < 0.1 < losses[0]
    assert evaluate(model, ADJACENCY, [(0, 3), (1, 3), (3, 1)], 1, MAX_STEPS)["greedy_accuracy"] == 1


def test_q_learning_finds_the_fixed_point_of_the_process_reward() -> None:
    """Q*(t, c, k) = A(c, k) + R(t, k) - 1, here with t = 3 and a dead end at 2."""
    torch.manual_seed(0)
    adjacency = np.zeros((NODES, NODES), dtype=bool)
    adjacency[[0, 0, 1], [1, 2, 3]] = True
    model = TableModel(torch.zeros(NODES + 1, NODES + 1))
    target_model = copy.deepcopy(model)
    optimizer = SGD(model.parameters(), lr=2.0)
    queries = [(0, 3), (1, 3), (2, 3)]
    for _ in range(150):  # all steps are random, and no path is cut off
        q_learning_step(model, target_model, optimizer, adjacency, queries, 50, 1.0, exploration=1.0)
    reaches_target = np.array([1, 1, 0, 1])
    expected = torch.from_numpy(adjacency + reaches_target - 1.0).float()
    torch.testing.assert_close(model.table.detach()[:3, :NODES], expected[:3], atol=0.02, rtol=0)
