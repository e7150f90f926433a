from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator

from planviz.config import SftConfig
from planviz.methods.sft import Sft, negative_log_likelihood
from planviz.models.tabular import TabularModel
from planviz.theory import cooccurrence_policy
from tests.engine_helpers import MODELS, as_lists, as_paths, listed, log_likelihood, strong_model, task_of

kinds = pytest.mark.parametrize("kind", MODELS)


@kinds
def test_the_likelihood_of_a_path_is_the_product_of_its_tokens(kind: str) -> None:
    model = strong_model(kind, 5, 4)
    paths = as_paths([(0, 4), (1, 2), (3, 0)], [[1, 2, 4, 5], [2], [4, 1, 5]], eos=5)
    expected = torch.stack([-log_likelihood(model, pair, path) for pair, path in as_lists(paths)])
    for inputs in (paths.tokens[:, :-1], paths.tokens):  # with or without the logits behind the last token
        torch.testing.assert_close(
            negative_log_likelihood(model(paths.pairs, inputs), paths), expected, rtol=1e-4, atol=1e-4
        )


@kinds
def test_the_loss_of_a_step_is_that_of_the_text_and_its_eos(kind: str) -> None:
    """With one training pair and one path there is only one text to draw: 0 1 2 3 EOS."""
    task = task_of(listed(4, [(0, 1), (1, 2), (2, 3)]), train_share=0.2, paths_per_pair=1, seed=7)
    (text,) = task.texts
    model = strong_model(kind, task.nodes, task.max_steps)
    pair, path = (text[0], text[-1]), [*text[1:], task.eos]
    expected = -log_likelihood(model, pair, path).item()
    result = Sft(model, task, SftConfig(batch_size=3), Generator()).step()
    assert result.values["loss"] == pytest.approx(expected, rel=1e-4)
    assert (result.samples, result.tokens) == (3, 3 * len(path))
    assert -log_likelihood(model, pair, path).item() < expected


def test_training_learns_the_table_of_cooccurrences_and_nothing_else() -> None:
    task = task_of(
        listed(6, [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 4), (4, 5), (2, 5)]), train_share=0.6
    )
    model = TabularModel(task.nodes, Generator().manual_seed(0))
    method = Sft(model, task, SftConfig(batch_size=256, learning_rate=0.05), Generator().manual_seed(0))
    for _ in range(300):
        method.step()
    expected = cooccurrence_policy(task)
    learned = model.table.softmax(dim=2)[:, :-1, :-1].detach().numpy()
    for target, current in np.argwhere(expected.sum(axis=2) > 0):
        np.testing.assert_allclose(learned[target, current], expected[target, current], atol=0.06)
