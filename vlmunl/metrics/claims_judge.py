"""Does the evidence support a condition? Three-valued: yes, no, or not known yet."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlmunl.errors import StudyError
from vlmunl.metrics.chance import NO_PLACEBO
from vlmunl.metrics.claims import ARITHMETIC, COMPARE, Condition, calibrated, path_of, refused
from vlmunl.metrics.verdicts import CONTROLS, COVERS, COVERS_NOT


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """`supported` is None when evidence is missing; `reason` says what is missing or which comparison fails."""

    supported: bool | None
    reason: str


def judge(
    condition: Condition, rows: Mapping[str, Mapping[str, Any]], controls: Collection[str] = CONTROLS
) -> Judgement:
    """Evaluate a condition on result rows (name -> row as in the verified results).

    Supported only if, beside the condition: no row whose calibrated figures it names is "not assessable", and
    the `controls` are measured and cover 0 (when it rests on calibration by gold).

    Raises:
        StudyError: it names a row or figure that does not exist.
    """
    run = _Run(rows)
    value = run.truth(condition.tree)
    if value is None:
        return Judgement(supported=None, reason="no evidence: " + "; ".join(dict.fromkeys(run.nulls)))
    if value is False:
        return Judgement(supported=False, reason="; ".join(dict.fromkeys(run.fails)))
    if not condition.rests_on_gold:
        return Judgement(supported=True, reason="")
    return _controls(condition, rows, controls)


def _controls(condition: Condition, rows: Mapping[str, Mapping[str, Any]], controls: Collection[str]) -> Judgement:
    for name in dict.fromkeys(name for f in condition.figures if calibrated(f) for name in _rests_on(f, rows)):
        if str(rows[name].get("verdict") or "").startswith("not assessable"):
            return Judgement(supported=None, reason=f"{name} is {rows[name]['verdict']}")
    verdicts = {name: str(rows.get(name, {}).get("verdict") or "pending") for name in controls}
    if off := [name for name in controls if verdicts[name] == COVERS_NOT]:
        return Judgement(
            supported=False,
            reason=f"the condition holds, but {' and '.join(off)} {COVERS_NOT}",
        )
    if unknown := [f"{name} is {verdicts[name]}" for name in controls if verdicts[name] != COVERS]:
        return Judgement(supported=None, reason="the condition holds, but " + ", ".join(unknown))
    return _controls_of_tiers(condition, rows, controls)


def _rests_on(figure: str, rows: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The rows that a figure is of: of a difference from another method, both."""
    name, *rest = figure.split(".")
    return (name, rest[1]) if rest[0] == "versus" and rest[1] in rows else (name,)


def _controls_of_tiers(
    condition: Condition, rows: Mapping[str, Mapping[str, Any]], controls: Collection[str]
) -> Judgement:
    """In every tier that is named the placebo must cover 0, and so must base where it was asked by the tier."""
    for tier in condition.tiers:
        for name in controls:
            part = (rows.get(name, {}).get("tiers") or {}).get(tier) or {}
            if part.get("covers_zero") is False:
                return Judgement(supported=False, reason=f"the condition holds, but {name} {COVERS_NOT} in {tier}")
            if name == "placebo" and "covers_zero" not in part:
                return Judgement(supported=None, reason=f"the condition holds, but {name} has no figures of {tier}")
    reason = "" if "placebo" in controls else NO_PLACEBO[0].lower() + NO_PLACEBO[1:]
    return Judgement(supported=True, reason=reason)


@dataclass
class _Run:
    """One evaluation; `nulls` and `fails` collect what to say."""

    rows: Mapping[str, Mapping[str, Any]]
    nulls: list[str] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)

    def truth(self, node: ast.expr) -> bool | None:
        match node:
            case ast.BoolOp(op=op, values=values):
                parts, ends = [self.truth(v) for v in values], isinstance(op, ast.Or)
                if ends in parts:
                    return ends
                return None if None in parts else not ends
            case ast.UnaryOp(operand=operand):
                value = self.truth(operand)
                if value:
                    self.fails.append(f"{ast.unparse(operand)} holds")
                return None if value is None else not value
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.compare(left, ops, others)
        raise refused(node)

    def compare(self, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> bool | None:
        values = [self.number(part) for part in (left, *others)]
        names = [ast.unparse(part) for part in (left, *others)]
        answer: bool | None = True
        for i, op in enumerate(ops):
            sign, holds = COMPARE[type(op)]
            a, b = values[i], values[i + 1]
            if a is None or b is None:
                answer = None if answer else answer
            elif not holds(a, b):
                self.fails.append(f"{_with_value(names[i], a)} is not {sign} {_with_value(names[i + 1], b)}")
                answer = False
        return answer

    def number(self, node: ast.expr) -> float | None:
        match node:
            case ast.Constant(value=value) if isinstance(value, int | float):
                return float(value)
            case ast.Attribute():
                return self.figure(path_of(node))
            case ast.UnaryOp(operand=operand):
                inner = self.number(operand)
                return None if inner is None else -inner
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.number(left), self.number(right)
                if a is None or b is None:
                    return None
                if isinstance(op, ast.Div) and b == 0:
                    self.nulls.append(f"{ast.unparse(node)} divides by 0")
                    return None
                return ARITHMETIC[type(op)](a, b)
        raise refused(node)

    def figure(self, path: str) -> float | None:
        name, *keys = path.split(".")
        if name not in self.rows:
            raise StudyError(
                f"claim names the row {name!r}, which the study does not have",
                _known(self.rows),
            )
        node: Any = self.rows[name]
        for key in keys:
            if node is None or node == {}:  # a row without evidence has no figures to name
                break
            if not isinstance(node, Mapping) or key not in node:
                known = _known(node) if isinstance(node, Mapping) else "it is a number"
                raise StudyError(f"claim names {path}, but there is no {key!r}", known)
            node = node[key]
        if node is None or node == {}:
            reason = self.rows[name].get("reason") if not self.rows[name].get("seeds") else ""
            self.nulls.append(f"{path} is null" + (f" ({name}: {reason})" if reason else ""))
            return None
        if isinstance(node, bool) or not isinstance(node, int | float):
            raise StudyError(f"claim names {path}, which is not a number", _known(node))
        return float(node)


def _with_value(text: str, value: float) -> str:
    plain = f"{value:g}"
    return text if text == plain or not any(c.isalpha() for c in text) else f"{text} = {plain}"


def _known(node: Any) -> str:
    return f"known: {', '.join(sorted(map(str, node)))}" if isinstance(node, Mapping) else "name one of its parts"
