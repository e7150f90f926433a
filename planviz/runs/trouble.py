"""Why the data folder cannot be written, in words."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
ALMOST_NOTHING = 2**17
"""Bytes left on a disk that counts as full: SQLite cannot grow a file then, and calls it an I/O error."""

Unwritable = (OSError, sqlite3.OperationalError)
"""What is raised where something could not be written, through no fault of planviz."""


def why_unwritable(error: BaseException, home: Path) -> str:
    """Why something could not be written to the data folder, and what to do, as the beginning of a sentence."""
    if is_full(error, home):
        return f"The disk is full, so nothing can be written to {home}; free some space"
    return f"planviz cannot write to {home} ({' '.join(str(error).split())[:200]}); let it do so"


def is_full(error: BaseException, home: Path) -> bool:
    """Whether a write failed because there is no room."""
    if isinstance(error, OSError):
        return error.errno in FULL
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL or "disk is full" in str(error):
        return True
    try:
        return shutil.disk_usage(home).free < ALMOST_NOTHING
    except OSError:
        return False
