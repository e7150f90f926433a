"""What a server does once, before its first page."""

from __future__ import annotations

import gc
import importlib
import pkgutil
from contextlib import suppress

import streamlit as st

import planviz.ui


@st.cache_resource(show_spinner=False)
def load_everything() -> None:
    """Import what all pages need, and keep the garbage collector from looking at it ever after.

    It would look at some 150,000 objects that live as long as the server, for a tenth of a second each time.
    """
    for module in pkgutil.walk_packages(planviz.ui.__path__, "planviz.ui."):
        with suppress(ImportError):  # the page that needs it will say so, and the others go on
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
