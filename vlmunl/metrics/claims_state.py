"""A claim that the data do not support: do they contradict it, or leave it open?

A comparison on one end of an interval, such as `npo.wcr.lower > 0`, says that all of the interval is above 0. Where it
fails, it is contradicted only if the other end fails as well (`npo.wcr.upper > 0`): then nothing of the interval is
above 0. Otherwise 0 lies inside, and the data decide nothing. A comparison of plain numbers that fails is contradicted.
`and`, `or` and `not` follow Kleene's logic of three values, in which "not decided" counts as not shown: `not` of it
holds.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from vlmunl.errors import StudyError
from vlmunl.metrics.claims import ARITHMETIC, COMPARE, parse, path_of

ClaimState: TypeAlias = Literal["supported", "contradicted", "undecided"]
Rows: TypeAlias = Mapping[str, Mapping[str, Any]]

_OTHER_END = {"low": "high", "high": "low", "lower": "upper", "upper": "lower"}


def with_pairs(rows: Rows, compared: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows with the paired difference from every other row under `versus`, as conditions name it.

    Args:
        compared: first -> second -> first minus second, each pair once.
    """
    out = {}
    for name, row in rows.items():
        others = {other: difference(compared, name, other) for other in rows if other != name}
        out[name] = {**row, "versus": {**others, **(row.get("versus") or {})}}
    return out


def difference(compared: Mapping[str, Any], first: str, second: str) -> Mapping[str, Any] | None:
    """`first` minus `second`, whichever way round it was computed; None if it was not."""
    if (part := (compared.get(first) or {}).get(second)) is not None:
        found: Mapping[str, Any] = part
        return found
    part = (compared.get(second) or {}).get(first)
    if part is None:
        return None
    return {**part, "estimate": _minus(part["estimate"]), "low": _minus(part["high"]), "high": _minus(part["low"])}


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def state_of(when: str, rows: Rows, supported: bool | None) -> tuple[ClaimState, dict[str, float | None]]:
    """The state of a claim, and the figures that its condition names; a supported one stays so.

    A condition that holds but is not supported (a control does not cover 0) is undecided.
    """
    try:
        condition = parse(when)
    except StudyError:  # written by another version
        return ("supported" if supported else "undecided"), {}
    figures = {name: _figure(name, rows) for name in condition.figures}
    if supported:
        return "supported", figures
    return ("contradicted" if supported is False and _truth(condition.tree, rows) is False else "undecided"), figures


def _truth(node: ast.expr, rows: Rows) -> bool | None:
    """True, False for contradicted, None for neither."""
    match node:
        case ast.BoolOp(op=op, values=values):
            parts, ends = [_truth(value, rows) for value in values], isinstance(op, ast.Or)
            return ends if ends in parts else None if None in parts else not ends
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _truth(operand, rows)
        case ast.Compare():
            if _holds(node, rows, other_end=False):
                return True
            return None if _holds(node, rows, other_end=True) is not False else False
    return None


def _holds(node: ast.Compare, rows: Rows, *, other_end: bool) -> bool | None:
    values = [_number(part, rows, other_end) for part in (node.left, *node.comparators)]
    answer: bool | None = True
    for op, a, b in zip(node.ops, values, values[1:], strict=False):
        if a is None or b is None:
            answer = None if answer else answer
        elif not COMPARE[type(op)][1](a, b):
            return False
    return answer


def _number(node: ast.expr, rows: Rows, other_end: bool) -> float | None:
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float):
            return float(value)
        case ast.Attribute():
            return _figure(_mirrored(path_of(node)) if other_end else path_of(node), rows)
        case ast.UnaryOp(operand=operand):
            return _minus(_number(operand, rows, other_end))
        case ast.BinOp(left=left, op=op, right=right):
            a, b = (_number(part, rows, other_end) for part in (left, right))
            if a is None or b is None or (isinstance(op, ast.Div) and b == 0):
                return None
            return ARITHMETIC[type(op)](a, b)
    return None


def _mirrored(path: str) -> str:
    head, _, end = path.rpartition(".")
    return f"{head}.{_OTHER_END[end]}" if end in _OTHER_END else path


def _figure(path: str, rows: Rows) -> float | None:
    node: Any = rows
    for key in path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    number = isinstance(node, int | float) and not isinstance(node, bool) and math.isfinite(node)
    return float(node) if number else None
