"""The claims language: a condition over the verified results, and whether the data support it.

Conditions are one Python-like expression over figures (`npo.wcr.lower`), numbers, `+ - * /`, comparisons and
`and`, `or`, `not`. Nothing else is accepted, nothing is executed: the syntax tree is walked. A figure that is
null makes whatever depends on it null (three-valued logic), and a null condition is "no evidence yet", not "no".
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass

from vlmunl.errors import StudyError

_LONGEST = 1000
ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
COMPARE: dict[type[ast.cmpop], tuple[str, Callable[[float, float], bool]]] = {
    ast.Lt: ("<", operator.lt), ast.LtE: ("<=", operator.le), ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge), ast.Eq: ("==", operator.eq), ast.NotEq: ("!=", operator.ne),
}  # fmt: skip
_CALIBRATED = (
    "canonical",
    "wcr",
    "wcr_held_out",
    "item_wcr",
    "identity_wcr",
    "retain_did",
    "routes",
    "tiers",
    "versus",
)
_UNCALIBRATED_LEAF = "accuracy"
_HINT = "allowed: figures such as npo.wcr.lower, numbers, + - * /, comparisons, and, or, not, parentheses"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A parsed condition: its text, its tree, and the figures that it names, in order of appearance."""

    text: str
    tree: ast.expr
    figures: tuple[str, ...]

    @property
    def rows(self) -> tuple[str, ...]:
        """The rows that it names."""
        return tuple(dict.fromkeys(figure.partition(".")[0] for figure in self.figures))

    @property
    def tiers(self) -> tuple[str, ...]:
        """The further tiers of which it names figures."""
        parts = (figure.split(".") for figure in self.figures)
        return tuple(dict.fromkeys(part[2] for part in parts if len(part) > 2 and part[1] == "tiers"))

    @property
    def rests_on_gold(self) -> bool:
        """Does it name a figure that is calibrated by gold, so that the controls must read zero?"""
        return any(calibrated(figure) for figure in self.figures)


def parse(text: str) -> Condition:
    """Parse a condition.

    Raises:
        StudyError: it is no expression of this language; the message quotes the part.
    """
    if len(text) > _LONGEST:
        raise StudyError(f"condition of {len(text)} characters; at most {_LONGEST}", _HINT)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise StudyError(f"condition {text!r} cannot be read: {error}", _HINT) from None
    figures: dict[str, None] = {}
    if not _check(tree, figures):
        raise StudyError(f"condition {text!r} is a number, not a comparison", _HINT)
    return Condition(text=text, tree=tree, figures=tuple(figures))


def _check(node: ast.expr, figures: dict[str, None]) -> bool:
    """Refuse what is not of the language; true if the part is a truth value, false if it is a number."""
    match node:
        case ast.BoolOp(values=values):
            kinds, wanted, result = [_check(v, figures) for v in values], True, True
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            kinds, wanted, result = [_check(operand, figures)], True, True
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            kinds, wanted, result = [_check(operand, figures)], False, False
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            kinds, wanted, result = (
                [_check(left, figures), _check(right, figures)],
                False,
                False,
            )
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in COMPARE for op in ops):
            kinds, wanted, result = (
                [_check(part, figures) for part in (left, *others)],
                False,
                True,
            )
        case ast.Constant(value=value) if type(value) in (int, float):
            return False
        case ast.Attribute():
            figures[path_of(node)] = None
            return False
        case _:
            raise refused(node)
    if any(kind is not wanted for kind in kinds):
        raise StudyError(f"{ast.unparse(node)!r} mixes truth values and numbers", _HINT)
    return result


def path_of(node: ast.expr) -> str:
    """The dotted name of a figure. Raises StudyError if the part is anything else."""
    if isinstance(node, ast.Attribute) and not node.attr.startswith("_"):
        return f"{path_of(node.value)}.{node.attr}"
    if isinstance(node, ast.Name) and not node.id.startswith("_"):
        return node.id
    raise refused(node)


def refused(node: ast.expr) -> StudyError:
    """The error for a part that the language does not have."""
    return StudyError(f"{ast.unparse(node)!r} is not allowed in a condition", _HINT)


def calibrated(figure: str) -> bool:
    """Is this figure measured against gold?"""
    parts = figure.split(".")
    return len(parts) > 1 and parts[1] in _CALIBRATED and parts[-1] != _UNCALIBRATED_LEAF
