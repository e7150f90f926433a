"""What every test shares: a home folder of its own, steady numbers, a real browser where one is needed."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CI = os.environ.get("CI") == "true"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
SERVER_START_SECONDS = 60

# One thread makes sums, and so whole trainings, repeatable. Torch reads this when it is first imported,
# so that tests without torch need not pay for it.
os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile("planviz", deadline=None, derandomize=CI)
settings.load_profile("planviz")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: what is wrong is named by the quick tests first."""
    items.sort(key=lambda item: "browser" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fixtures that outlive one test never touch the user's own runs either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANVIZ_HOME", str(tmp_path_factory.mktemp("session-home")))
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that PLANVIZ_HOME names during this test; planviz creates it when it needs it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("PLANVIZ_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium; without one the test is skipped, and on CI it fails."""
    for name in CHROMIUM_NAMES:
        if path := shutil.which(name):
            return path
    message = f"no browser: none of {', '.join(CHROMIUM_NAMES)} is on the PATH"
    if CI:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One headless Chromium for all browser tests; each test opens a page, or a context, of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def app_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PLANVIZ_HOME of `app_server`: its store is there, and what the server printed, in server.log."""
    return tmp_path_factory.mktemp("app-home")


@pytest.fixture(scope="module")
def app_server(app_home: Path) -> Iterator[str]:
    """The URL of the real app, started for the tests of one module and ended with all its workers."""
    port = _free_port()
    log = app_home / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "planviz", "app", "--port", str(port)],
            env={**os.environ, "PLANVIZ_HOME": str(app_home), "STREAMLIT_SERVER_HEADLESS": "true"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(server, port, log)
        yield f"http://localhost:{port}"
    finally:
        _end_group(server)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_healthy(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SERVER_START_SECONDS
    while not _is_healthy(port):
        with suppress(subprocess.TimeoutExpired):
            code = server.wait(timeout=0.1)
            pytest.fail(f"planviz app ended with exit code {code}:\n{log.read_text(errors='replace')}")
        if time.monotonic() > deadline:
            pytest.fail(
                f"planviz app is not up after {SERVER_START_SECONDS} s:\n{log.read_text(errors='replace')}"
            )


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("localhost", port, timeout=1)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end_group(server: subprocess.Popen[bytes]) -> None:
    """Ask the server and its workers to end; after ten seconds, end them."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=10)
