"""Dialogs of the Runs page: rename, tag and delete.

Which one is open is kept in the session, so that it stays open when the page is drawn again meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from planviz.runs.library import in_bytes
from planviz.runs.records import MAX_NAME, MAX_TAG, MAX_TAGS, ExperimentRecord, LabelError, RunError
from planviz.ui import lab, state
from planviz.ui.text import literal, sentence

DIALOG = "runs:dialog"
NAMED = 12
"""At most so many experiments are named before they are deleted."""


def ask(dialog: str, ids: Sequence[str]) -> None:
    """Open a dialog about some experiments: rename, tag or delete."""
    st.session_state[DIALOG] = (dialog, list(ids))


def close() -> None:
    """Close the dialog."""
    st.session_state[DIALOG] = None


def dialogs(records: Sequence[ExperimentRecord]) -> None:
    """Draw the dialog that is open."""
    asked = st.session_state.get(DIALOG)
    if asked is None:
        return
    dialog, ids = asked
    known = {record.id: record for record in records}
    about = [known[key] for key in ids if key in known]
    if not about:
        close()
        return
    tags = sorted({tag for record in records for tag in record.tags})
    draw: dict[str, tuple[str, Callable[[Sequence[ExperimentRecord]], None]]] = {
        "rename": ("Rename", _rename), "tag": ("Tags", partial(_tag, tags)), "delete": ("Delete for good?", _delete),
    }  # fmt: skip
    title, body = draw[dialog]
    st.dialog(title, on_dismiss=close)(partial(body, about))()


def _rename(records: Sequence[ExperimentRecord]) -> None:
    (record,) = records
    with st.form("runs:rename-form", border=False):
        name = st.text_input("Name", record.name, max_chars=MAX_NAME, key=f"runs:name:{record.id}")
        saved = st.form_submit_button("Save", type="primary")
    if saved:
        _save(lambda: lab.store().update_experiment(record.id, name=name))


def _tag(known: Sequence[str], records: Sequence[ExperimentRecord]) -> None:
    common = [tag for tag in records[0].tags if all(tag in record.tags for record in records)]
    with st.form("runs:tag-form", border=False):
        tags = st.multiselect(
            "Tags" if len(records) == 1 else f"Tags that all {len(records)} have", known, common,
            key=f"runs:tags:{records[0].id}:{len(records)}", accept_new_options=True, max_selections=MAX_TAGS,
            help=f"Type a new tag, of at most {MAX_TAG} characters, and press Enter.",
        )  # fmt: skip
        saved = st.form_submit_button("Save", type="primary")

    def change() -> None:
        gone = set(common) - set(tags)
        for record in records:
            kept = [tag for tag in record.tags if tag not in gone]
            lab.store().update_experiment(record.id, tags=[*kept, *tags])

    if saved:
        _save(change)


def _save(change: Callable[[], None]) -> None:
    """Make a change and close the dialog; or say what is wrong with it, and leave the dialog open."""
    try:
        change()
    except LabelError as error:
        st.error(sentence(error), icon=":material/error:")
        return
    except KeyError:
        state.notify("The experiment was deleted meanwhile.")
    close()
    st.rerun()


def _delete(records: Sequence[ExperimentRecord]) -> None:
    for record in records[:NAMED]:
        size = in_bytes(lab.store().size(record.id))
        runs = sum(record.states.values())
        st.markdown(f"- **{literal(record.name)}**: {runs} run{'s' * (runs != 1)}, {size}")
    if len(records) > NAMED:
        st.markdown(f"- and {len(records) - NAMED} more")
    training = " Runs that are still training are ended." if any(map(lab.is_active, records)) else ""
    st.write(f"All metrics, sampled paths and weights go with them. This cannot be undone.{training}")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="runs:delete-now"):
            _delete_now(records)
            close()
            st.rerun()
        if st.button("Cancel", key="runs:cancel"):
            close()
            st.rerun()


def _delete_now(records: Sequence[ExperimentRecord]) -> None:
    for record in records:
        try:
            lab.manager().delete(record.id)
        except RunError as error:
            state.notify(f"{record.name} was not deleted: {error}.")
            continue
        if state.experiment_id() == record.id:
            st.session_state.experiment = None
        if record.id in st.session_state.opened:
            st.session_state.opened.remove(record.id)
