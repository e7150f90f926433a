"""How far the measurements of an experiment have come, told much quicker than they are read."""

from __future__ import annotations

from typing import Literal

from planviz.runs.store import Store

State = tuple[int, float, float]


def measured(store: Store, experiment_id: str, table: Literal["evaluations", "steps"]) -> State:
    """What tells one state of its evaluations, or of its step metrics, from the next: rows, steps and seconds."""
    with store.database.transaction() as db:
        state: State = db.execute(
            f"SELECT count(*), total(m.step), total(m.seconds) FROM {table} AS m "
            "WHERE run_id IN (SELECT id FROM runs WHERE experiment_id = ?)",
            (experiment_id,),
        ).fetchone()
    return state
