"""Weights that a stranger sends: whether a safetensors file holds the model that a config describes.

Only the header is parsed, and only numbers are read: nothing in such a file can run.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from planviz.sizes import Shapes

DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
MAX_HEADER = 2**20


class WeightsError(ValueError):
    """A file does not hold the weights of a model; the message says what is wrong."""


def check_weights(content: bytes, shapes: Shapes) -> None:
    """Check that a file is safetensors and holds numbers of exactly these shapes.

    Raises:
        WeightsError: it does not.
    """
    header, begin = _header(content)
    header.pop("__metadata__", None)
    if header.keys() != shapes.keys():
        odd = min(header.keys() ^ shapes.keys())
        raise WeightsError(
            f"{odd[:40]!r} is {'missing' if odd in shapes else 'no part'} of the model in config.toml"
        )
    end = 0
    for name, tensor in sorted(header.items(), key=lambda item: _first_byte(item[1])):
        dtype, first, last = _layout(name, tensor, shapes[name])
        if first != end:
            raise WeightsError(f"{name!r} does not begin where the tensor before it ends")
        if begin + last > len(content):
            raise WeightsError(f"{name!r} is cut off")
        numbers = np.frombuffer(content, dtype, math.prod(shapes[name]), begin + first)
        if not np.isfinite(numbers).all():
            raise WeightsError(f"{name!r} holds something that is no finite number")
        end = last
    if begin + end != len(content):
        raise WeightsError(f"{len(content) - begin - end:,} bytes follow after the last tensor")


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """The header, and where the numbers begin."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(MAX_HEADER, len(content) - 8):
        raise WeightsError("it is no safetensors file")
    try:
        header = json.loads(content[8 : 8 + length].decode("utf-8"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise WeightsError("it is no safetensors file: its header is no JSON") from None
    if not isinstance(header, dict):
        raise WeightsError("it is no safetensors file: its header is no table")
    return header, 8 + length


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name is there twice")
    return table


def _first_byte(tensor: Any) -> int:
    try:
        return int(tensor["data_offsets"][0])
    except (TypeError, KeyError, IndexError, ValueError, OverflowError):
        return 0


def _layout(name: str, tensor: Any, shape: tuple[int, ...]) -> tuple[np.dtype[Any], int, int]:
    """The type of a tensor, and its first byte and the one after its last."""
    if not isinstance(tensor, dict) or tensor.keys() != {"dtype", "shape", "data_offsets"}:
        raise WeightsError(f"{name!r} has no dtype, shape and data_offsets")
    if tensor["dtype"] not in list(DTYPES):
        raise WeightsError(f"{name!r} has a dtype that is not allowed; {' and '.join(DTYPES)} are")
    if tensor["shape"] != list(shape):
        raise WeightsError(f"{name!r} has another shape than {list(shape)}, that of the model in config.toml")
    dtype, offsets = DTYPES[tensor["dtype"]], tensor["data_offsets"]
    if not isinstance(offsets, list) or len(offsets) != 2 or any(type(at) is not int for at in offsets):
        raise WeightsError(f"{name!r} has data_offsets that are not two whole numbers")
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise WeightsError(f"{name!r} has another number of bytes than its shape asks for")
    return dtype, offsets[0], offsets[1]
