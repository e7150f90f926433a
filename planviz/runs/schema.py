"""The store's database: its tables, and how it is opened.

Each entry of MIGRATIONS brings a database to the next version, which SQLite keeps as `user_version`. To
change the schema, append an entry; never edit one that was released.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, LifoQueue

from filelock import FileLock

_VERSION_1 = (
    """CREATE TABLE experiments (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, preset TEXT, created REAL NOT NULL, config TEXT NOT NULL)""",
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        experiment_id TEXT NOT NULL REFERENCES experiments ON DELETE CASCADE,
        position INTEGER NOT NULL, arm TEXT NOT NULL, method TEXT NOT NULL, seed INTEGER NOT NULL,
        state TEXT NOT NULL, step INTEGER NOT NULL DEFAULT 0, total_steps INTEGER NOT NULL,
        samples INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
        message TEXT NOT NULL DEFAULT '', details TEXT NOT NULL DEFAULT '',
        started REAL, finished REAL, owner TEXT,
        UNIQUE (experiment_id, position), UNIQUE (experiment_id, arm, seed))""",
    "CREATE INDEX runs_by_state ON runs (state)",
    """CREATE TABLE evaluations (
        run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        step INTEGER NOT NULL, split TEXT NOT NULL, samples INTEGER NOT NULL, seconds REAL NOT NULL,
        metrics TEXT NOT NULL,
        PRIMARY KEY (run_id, step, split)) WITHOUT ROWID""",
    """CREATE TABLE steps (
        run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        step INTEGER NOT NULL, samples INTEGER NOT NULL, tokens INTEGER NOT NULL, seconds REAL NOT NULL,
        metrics TEXT NOT NULL,
        PRIMARY KEY (run_id, step)) WITHOUT ROWID""",
    """CREATE TABLE paths (
        run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        step INTEGER NOT NULL, split TEXT NOT NULL, queries TEXT NOT NULL,
        PRIMARY KEY (run_id, step, split))""",
)

_VERSION_2 = (
    "ALTER TABLE experiments ADD COLUMN session TEXT",
    "ALTER TABLE experiments ADD COLUMN starred INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE experiments ADD COLUMN archived INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE experiments ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
    """CREATE TABLE headlines (
        experiment_id TEXT PRIMARY KEY REFERENCES experiments ON DELETE CASCADE,
        progress TEXT NOT NULL, numbers TEXT NOT NULL)""",
)
"""Who started an experiment, what it is marked with, and its main numbers at one state of its progress."""

_VERSION_3 = (
    """CREATE TABLE changes (
        run_id TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
        step INTEGER NOT NULL, settings TEXT NOT NULL, time REAL NOT NULL,
        PRIMARY KEY (run_id, step)) WITHOUT ROWID""",
)
"""The settings that changed while a run trained, and after which of its steps."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3)


class StoreError(ValueError):
    """The data folder cannot be used; the message says why."""


class Database:
    """Connections to one SQLite file, handed from thread to thread, so that none is opened for each query.

    Raises:
        StoreError: the file cannot be used, or was written by a newer planviz.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue()
        try:
            # Switching a new file to WAL fails while others do the same: a lock makes them take turns.
            with FileLock(path.with_name(path.name + ".setup.lock")):
                self._migrate()
        except (OSError, sqlite3.Error) as error:
            why = getattr(error, "strerror", None) or error
            raise StoreError(
                f"{path}: the store cannot be opened ({why}); PLANVIZ_HOME names another data folder"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection; what is written through it is kept in whole, or not at all if an exception passes."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._open()
        try:
            with connection:
                yield connection
        finally:
            self._idle.put(connection)

    def close(self) -> None:
        """Close the connections that nobody uses now."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _open(self) -> sqlite3.Connection:
        # IMMEDIATE: a transaction takes the write lock when it begins to write, and waits for it if it must.
        connection = sqlite3.connect(
            self._path, timeout=30, isolation_level="IMMEDIATE", check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _migrate(self) -> None:
        connection = self._open()
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise StoreError(
                    f"{self._path}: was written by a newer planviz "
                    f"(schema {version}; this one knows {len(MIGRATIONS)})"
                )
            for number in range(version, len(MIGRATIONS)):
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    for statement in MIGRATIONS[number]:
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {number + 1}")
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
