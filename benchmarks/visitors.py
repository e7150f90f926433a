"""Visitors of a real server, over its WebSockets: what a browser would send and wait for, without drawing it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets import Subprotocol
from websockets.sync.client import connect

PAGES = ("", "build", "train", "compare", "paths", "runs")
LONGEST = 120.0
"""Seconds to wait for a page."""


class Visitor:
    """A session of its own, which stays as long as its connection."""

    def __init__(self, port: int) -> None:
        self._until_closed = ExitStack()
        self._connection = self._until_closed.enter_context(
            connect(
                f"ws://localhost:{port}/_stcore/stream",
                subprotocols=[Subprotocol("streamlit")],
                max_size=None,
            )
        )
        self.buttons: dict[str, str] = {}
        """The ids of the buttons on the page, by their labels."""
        self.query = ""
        """The query of the page's address, as the server set it last."""
        self._page = ""
        self._refreshing: dict[str, float] = {}
        """Seconds after which a part of the page is to be asked for again."""

    def open(self, page: str) -> float:
        """Ask for a page; the seconds until it was complete."""
        self.buttons, self._refreshing, self._page = {}, {}, page
        return self._ask(self._rerun())

    def look(self, seconds: float) -> None:
        """Look at the page, and ask as browsers do for those of its parts that refresh themselves."""
        until = time.monotonic() + seconds
        due = {part: time.monotonic() + every for part, every in self._refreshing.items()}
        while due:
            part = min(due, key=lambda part: due[part])
            if due[part] > until:
                break
            time.sleep(max(0.0, due[part] - time.monotonic()))
            message = self._rerun()
            message.rerun_script.fragment_id, message.rerun_script.is_auto_rerun = part, True
            self._ask(message, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
            due = {
                known: time.monotonic() + every if known == part else due.get(known, time.monotonic() + every)
                for known, every in self._refreshing.items()
            }
        time.sleep(max(0.0, until - time.monotonic()))

    def press(self, label: str) -> float:
        """Press a button of the page that is open; the seconds until the page was complete again.

        Raises:
            KeyError: the page has no such button.
        """
        message = self._rerun()
        state = message.rerun_script.widget_states.widgets.add()
        state.id, state.trigger_value = self.buttons[label], True
        return self._ask(message)

    def close(self) -> None:
        self._until_closed.close()

    def _rerun(self) -> BackMsg:
        message = BackMsg()
        message.rerun_script.page_name = self._page
        message.rerun_script.query_string = self.query
        return message

    def _ask(self, message: BackMsg, *enough: ForwardMsg.ScriptFinishedStatus.ValueType) -> float:
        """The seconds until the whole page, or what else is enough, was complete."""
        started, refreshing = time.monotonic(), dict[str, float]()
        self._connection.send(message.SerializeToString())
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(bytes(self._connection.recv(timeout=LONGEST)))  # type: ignore[arg-type]
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                element = answer.delta.new_element
                if element.WhichOneof("type") == "button":
                    self.buttons[element.button.label] = element.button.id
            elif kind == "page_info_changed":
                self.query = answer.page_info_changed.query_string
            elif kind == "auto_rerun":
                refreshing[answer.auto_rerun.fragment_id] = answer.auto_rerun.interval
            elif kind == "script_finished":
                if answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    self._refreshing = refreshing
                    return time.monotonic() - started
                if answer.script_finished in enough:
                    self._refreshing |= refreshing
                    return time.monotonic() - started
                refreshing = {}


@contextmanager
def server(home: Path, *options: str) -> Iterator[tuple[int, int]]:
    """The app as users start it, with its store below `home`: its port and its process id."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "planviz", "app", "--port", str(port), *options],
        env={**os.environ, "PLANVIZ_HOME": str(home), "STREAMLIT_SERVER_HEADLESS": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_up(process, port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"http://localhost:{port}/_stcore/health", timeout=1):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("planviz app did not start") from None
            time.sleep(0.1)
