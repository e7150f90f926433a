"""What can be done with experiments of the library: the buttons below the table, import, and undo."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial

import streamlit as st

from planviz.config import PRESETS
from planviz.limits import is_public
from planviz.runs.bundle_zip import export_zip, import_zip
from planviz.runs.demo import DEMO_STAYS
from planviz.runs.library import in_bytes
from planviz.runs.records import MAX_NAME, RESUMABLE, ExperimentRecord
from planviz.ui import lab, state
from planviz.ui.runs.dialogs import ask
from planviz.ui.text import literal, sentence

TOLD, UPLOADS = "runs:told", "runs:uploads"

NOT_YOURS = "Only those who started an experiment may change it."


def actions(chosen: Sequence[ExperimentRecord]) -> None:
    """The buttons that act on the chosen experiments."""
    if not chosen:
        st.caption("Select rows on the left to open, compare, mark, export or delete experiments.")
        return
    ids, one = [record.id for record in chosen], len(chosen) == 1
    locked = why_locked(chosen)
    only_one = None if one else "Select one experiment only."
    with st.container(horizontal=True, vertical_alignment="center", key="runs:actions"):
        if _button("Open", "open_in_new", only_one or "Show it on Train, Compare and Paths.", not one):
            state.open_experiment(ids[0])
            st.switch_page("pages/train.py" if lab.is_active(chosen[0]) else "pages/compare.py")
        if _button(
            "Duplicate with changes", "content_copy", only_one or "Set up another one like it.", not one
        ):
            duplicate(chosen[0])
            st.switch_page("pages/build.py")
        _mark(chosen, locked)
        if _button("Rename", "edit", locked or only_one, bool(locked) or not one):
            ask("rename", ids)
        if _button("Tag", "label", locked, bool(locked)):
            ask("tag", ids)
        if any(RESUMABLE & record.states.keys() for record in chosen):
            help = locked or "Go on with what was interrupted, stopped or failed."
            st.button(
                "Resume", icon=":material/restart_alt:", key="runs:resume", help=help, on_click=_resume,
                args=(chosen,), disabled=bool(locked),
            )  # fmt: skip
        _export(chosen)
        if _button("Delete", "delete", locked, bool(locked)):
            ask("delete", ids)
    if locked:
        st.caption(locked)


def why_locked(chosen: Sequence[ExperimentRecord]) -> str | None:
    """Why the chosen experiments may not be changed, if they may not."""
    if any(record.id == lab.demo_id() for record in chosen):
        return DEMO_STAYS
    if is_public() and any(record.session != state.session_id() for record in chosen):
        return NOT_YOURS
    return None


def _button(label: str, icon: str, help: str | None, disabled: bool) -> bool:
    key = f"runs:{label.split(' ')[0].lower()}"
    return st.button(label, icon=f":material/{icon}:", help=help, disabled=disabled, key=key)


def _mark(chosen: Sequence[ExperimentRecord], locked: str | None) -> None:
    """Star and archive, or the other way round."""
    for field, do, undo, icon in (
        ("starred", "Star", "Unstar", "star"),
        ("archived", "Archive", "Unarchive", "archive"),
    ):
        marked = all(getattr(record, field) for record in chosen)
        st.button(
            undo if marked else do, icon=f":material/{icon}:", key=f"runs:{field}", help=locked,
            disabled=bool(locked), on_click=_set, args=(chosen, field, not marked),
        )  # fmt: skip


def _set(chosen: Sequence[ExperimentRecord], field: str, value: bool) -> None:
    changed = [record.id for record in chosen if getattr(record, field) != value]
    tell(None)
    _update(changed, field, value)
    if field == "archived":
        tell(
            f"{'Archived' if value else 'Taken out of the archive'}: {names(chosen)}.",
            (changed, field, not value),
        )


def _update(ids: Sequence[str], field: str, value: bool) -> None:
    for experiment_id in ids:
        if lab.exists(experiment_id):  # it may have been deleted in another tab
            starred, archived = (value if field == name else None for name in ("starred", "archived"))
            lab.store().update_experiment(experiment_id, starred=starred, archived=archived)


def names(records: Sequence[ExperimentRecord]) -> str:
    """Who they are, in Markdown that shows it literally."""
    first = ", ".join(literal(record.name) for record in records[:3])
    return first + (f" and {len(records) - 3} more" if len(records) > 3 else "")


def tell(text: str | None, undo: tuple[list[str], str, bool] | None = None) -> None:
    """Say on top of the page what was done last, with a button that undoes it; or say nothing any more."""
    st.session_state[TOLD] = None if text is None else (text, undo)


def last_action() -> None:
    """Show what was done last."""
    told = st.session_state.get(TOLD)
    if told is None:
        return
    text, undo = told
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="runs:told-box"):
        st.markdown(text)
        if undo is not None:
            st.button("Undo", icon=":material/undo:", key="runs:undo", on_click=_undo, args=undo)
        st.button(
            "Close", icon=":material/close:", key="runs:close", type="tertiary", on_click=tell, args=(None,)
        )


def _undo(ids: list[str], field: str, value: bool) -> None:
    _update(ids, field, value)
    tell(None)


def _resume(chosen: Sequence[ExperimentRecord]) -> None:
    tell(None)
    for record in chosen:
        waiting = sum(count for name, count in record.states.items() if name in RESUMABLE)
        try:
            if waiting:
                lab.check_limits(record.config, waiting)
                lab.manager().resume_all(record.id)
        except ValueError as error:
            state.notify(f"{record.name} cannot go on: {error}.")


def duplicate(record: ExperimentRecord) -> None:
    """Make a copy of its settings the draft."""
    ending = " (copy)"
    name = record.name[: MAX_NAME - len(ending)] + ending
    preset = record.preset if record.preset in PRESETS else "quick"
    state.set_draft(record.config.model_copy(update={"name": name}), preset)
    state.set_chosen_arms(list(record.config.arms))


def _export(chosen: Sequence[ExperimentRecord]) -> None:
    if len(chosen) > 1:
        _button("Export", "download", "Select one experiment only.", True)
        return
    (record,) = chosen
    with st.popover("Export", icon=":material/download:", key="runs:export"):
        st.caption("One .zip file with settings, metrics, paths and weights, to import here or elsewhere.")
        size = in_bytes(lab.store().size(record.id))
        for compact, label in ((False, f"Everything (at most {size})"), (True, "Compact")):
            help = "Fewer weights, in half precision, and only the last sampled paths." if compact else None
            st.download_button(
                label, partial(_zip, record.id, compact), f"planviz-{record.id}.zip", "application/zip", help=help,
                key=f"runs:export:{compact}", on_click="ignore", width="stretch",
            )  # fmt: skip


def _zip(experiment_id: str, compact: bool) -> bytes:
    packed = io.BytesIO()
    export_zip(lab.store(), experiment_id, packed, compact=compact)
    return packed.getvalue()


def import_button() -> None:
    """Take an experiment from a .zip file."""
    help = "A public server takes no experiments from files." if is_public() else None
    with st.popover("Import", icon=":material/upload:", disabled=is_public(), help=help, key="runs:import"):
        key = f"{UPLOADS}:{st.session_state.get(UPLOADS, 0)}"
        st.file_uploader(
            "An experiment that was exported from planviz", type="zip", key=key, on_change=_import,
            args=(key,),
        )  # fmt: skip


def _import(key: str) -> None:
    uploaded = st.session_state[key]
    if uploaded is None:
        return
    st.session_state[UPLOADS] = st.session_state.get(UPLOADS, 0) + 1  # an uploader that is empty again
    try:
        imported = import_zip(lab.store(), uploaded)
    except ValueError as error:
        tell(f"**{literal(uploaded.name)}** was not imported. {sentence(error)}")
    except OSError as error:
        tell(f"**{literal(uploaded.name)}** was not imported: {literal(str(error))}.")
    else:
        tell(f"Imported: {literal(lab.store().experiment(imported).name)}.")
