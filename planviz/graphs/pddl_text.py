"""Problems in PDDL as trees: a stranger's text is checked for size and nesting, and then parsed by the pddl library."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from lark import Lark, UnexpectedInput
from lark.exceptions import LarkError, VisitError

from planviz.graphs.formats.common import GraphFileError, decoded, shown

MAX_PDDL_BYTES = 100_000
MAX_DEPTH = 20
"""Of parentheses; problems of Blocksworld need 4."""

EXPECTED = "a problem of Blocksworld in PDDL"


def checked_text(content: bytes | str) -> str:
    """The problem without its comments, once it is known to be short and flat."""
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    if len(data) > MAX_PDDL_BYTES:
        raise GraphFileError(
            f"the problem has {len(data) / 1000:,.0f} kB; at most {MAX_PDDL_BYTES // 1000} kB are allowed"
        )
    text = re.sub(r";[^\n]*", " ", decoded(data, EXPECTED, "the problem"))
    if not text.isascii():
        strange = next(c for c in text if not c.isascii())
        raise GraphFileError(f"the problem holds the character {shown(strange)}; PDDL is written in ASCII")
    depth = 0
    for c in re.findall(r"[()]", text):
        depth += 1 if c == "(" else -1
        if depth > MAX_DEPTH:
            raise GraphFileError(
                f"the problem nests more than {MAX_DEPTH} parentheses; {EXPECTED} needs only a few"
            )
    if re.match(r"\s*\(\s*define\s*\(\s*domain\b", text, re.IGNORECASE):
        raise GraphFileError(
            "this is a PDDL domain; the problem is expected, which names the blocks, the start and the goal"
        )
    return text


@cache
def _grammar() -> Lark:
    from pddl.parser import GRAMMAR_FILE

    return Lark(GRAMMAR_FILE.read_text("utf-8"), parser="lalr", start="problem")


def parsed(text: str) -> Any:
    """The `pddl.core.Problem` of a text in small letters.

    Not by pddl's own ProblemParser: it keeps objects from one problem to the next, and changes how Python shows errors.
    """
    from pddl.parser.problem import ProblemTransformer

    try:
        return ProblemTransformer().transform(_grammar().parse(text))
    except UnexpectedInput as error:
        where = f"line {error.line}, column {error.column}" if error.line and error.line > 0 else "its end"
        raise GraphFileError(f"the problem cannot be read at {where}; {EXPECTED} is expected") from None
    except VisitError as error:
        raise GraphFileError(
            f"the problem cannot be read: {shown(str(error.orig_exc))}; {EXPECTED} is expected"
        ) from None
    except LarkError:
        raise GraphFileError(f"the problem cannot be read; {EXPECTED} is expected") from None
