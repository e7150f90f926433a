from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.plain_loop import sft_loss
from planviz.config import SftConfig
from planviz.methods.base import per_seed
from planviz.methods.sft import Sft, negative_log_likelihood
from planviz.models.tabular import TabularModel
from planviz.packing import pack
from planviz.theory import cooccurrence_policy
from tests.engine_helpers import (
    MODELS,
    as_lists,
    as_paths,
    assert_gradients,
    generators,
    listed,
    log_likelihood,
    plain,
    record_paths,
    strong_model,
    task_of,
)

kinds = pytest.mark.parametrize("kind", MODELS)


@kinds
def test_the_likelihood_of_a_path_is_the_product_of_its_tokens(kind: str) -> None:
    model = strong_model(kind, 5, 4, seeds=2)
    texts = [(0, 4, [1, 2, 4, 5]), (1, 2, [2]), (3, 0, [4, 1, 5])]
    batch = pack(as_paths(texts, texts[::-1]))
    of_steps = negative_log_likelihood(model(batch), batch)
    for seed in (0, 1):
        same = plain(model, seed)
        for index, text in enumerate(as_lists(batch.paths, seed)):
            found = of_steps[seed, batch.inside[seed] & (batch.path[seed] == index)].sum()
            torch.testing.assert_close(found, -log_likelihood(same, *text), rtol=1e-4, atol=1e-4)


@kinds
def test_a_step_follows_the_gradient_of_the_plain_loss(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)]))
    recorded = record_paths(monkeypatch, "planviz.methods.sft")
    model = strong_model(kind, task.nodes, task.max_steps, std=0.2, seeds=3)
    before = [plain(model, seed) for seed in range(3)]
    result = Sft(model, task, SftConfig(batch_size=20), generators(0, 1, 2)).step()
    written = {(*text[:1], text[-1], *text[1:], task.eos) for text in task.texts}
    for seed, same in enumerate(before):
        texts = as_lists(recorded[-1], seed)
        assert {(source, target, *path) for source, target, path in texts} <= written
        loss = sft_loss(same, texts)
        assert result.values["loss"][seed] == pytest.approx(loss.item(), rel=1e-4)
        assert result.tokens[seed] == sum(len(path) for *_, path in texts)
        assert_gradients(model, seed, loss, same)


@kinds
def test_the_loss_of_a_step_is_that_of_the_text_and_its_eos(kind: str) -> None:
    """With one training pair and one path there is only one text to draw: 0 1 2 3 EOS."""
    task = task_of(listed(4, [(0, 1), (1, 2), (2, 3)]), train_share=0.2, paths_per_pair=1, seed=7)
    (text,) = task.texts
    model = strong_model(kind, task.nodes, task.max_steps)
    query_and_path = text[0], text[-1], [*text[1:], task.eos]
    expected = -log_likelihood(plain(model), *query_and_path).item()
    result = Sft(model, task, SftConfig(batch_size=3), generators(0)).step()
    assert result.values["loss"] == pytest.approx(expected, rel=1e-4)
    assert (result.samples, result.tokens.tolist()) == (3, [3 * len(text)])
    assert -log_likelihood(plain(model), *query_and_path).item() < expected


def test_steps_that_fill_up_a_seed_count_nothing() -> None:
    batch = pack(as_paths([(0, 1, [2, 3, 1])], [(0, 1, [1])]))
    values = torch.full(batch.inside.shape, torch.nan)
    values[0, :3], values[1, :1] = torch.tensor([1.0, 10, 100]), torch.tensor([1000.0])
    assert per_seed(values, batch).tolist() == [111, 1000]


def test_training_learns_the_table_of_cooccurrences_and_nothing_else() -> None:
    task = task_of(
        listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)]), train_share=0.6
    )
    model = TabularModel(task.nodes, generators(0))
    method = Sft(model, task, SftConfig(batch_size=256, learning_rate=0.05), generators(0))
    for _ in range(300):
        method.step()
    expected = cooccurrence_policy(task)
    learned = model.table[0].softmax(dim=2)[:, :-1, :-1].detach().numpy()
    for target, current in np.argwhere(expected.sum(axis=2) > 0):
        np.testing.assert_allclose(learned[target, current], expected[target, current], atol=0.06)
