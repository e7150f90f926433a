from __future__ import annotations

import pytest

from planviz.config import SettingError
from planviz.runs.supervisor import explain_exit
from planviz.runs.worker import explain


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SettingError("arm 'x' is unknown"), "arm 'x' is unknown"),
        (ZeroDivisionError("division\n  by zero"), "Failed with ZeroDivisionError: division by zero"),
        (KeyError(), "Failed with KeyError: no message"),
        (MemoryError(), "Memory ran out: a smaller model, batch or number of samples needs less."),
        (
            RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
            ),
            "Memory ran out: a smaller model, batch or number of samples needs less.",
        ),
    ],
)
def test_errors_become_one_sentence(error: Exception, sentence: str) -> None:
    assert explain(error) == sentence


def test_long_errors_are_cut() -> None:
    assert len(explain(RuntimeError("x" * 10_000))) < 400


@pytest.mark.parametrize(
    ("code", "part"),
    [(-9, "SIGKILL"), (-15, "from outside"), (-11, "SIGSEGV"), (3, "code 3"), (-250, "-250")],
)
def test_exit_codes_become_one_sentence(code: int, part: str) -> None:
    assert part in explain_exit(code)
