"""Servers for the tests of pages: one that works on a folder trained beforehand, and one that only notes what it is to
train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st

from planviz.config import ExperimentConfig
from planviz.experiment import train
from planviz.runs.store import Store
from planviz.ui import lab


def train_into(store: Store, config: ExperimentConfig) -> str:
    """Train an experiment here and now; its id."""
    experiment_id = store.create_experiment(config)
    run_ids = {(run.arm, run.seed): run.id for run in store.runs(experiment_id)}
    for told in train(config):
        store.record(run_ids[told.arm, told.seed], told.event)
    return experiment_id


@contextmanager
def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of a server that works on a data folder."""
    monkeypatch.setenv("PLANVIZ_HOME", str(folder))
    st.cache_data.clear()
    st.cache_resource.clear()
    yield lab.store()
    lab.manager().shutdown()
    st.cache_resource.clear()


def started(monkeypatch: pytest.MonkeyPatch) -> list[ExperimentConfig]:
    """Experiments that a page hands to the manager, which does not train them here."""
    seen: list[ExperimentConfig] = []

    def start(config: ExperimentConfig, preset: str | None, session: str | None) -> str:
        seen.append(config)
        return lab.store().create_experiment(config, preset, session=session)

    monkeypatch.setattr(lab.manager(), "start", start)
    return seen
