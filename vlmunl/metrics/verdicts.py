"""Verdicts in words, from figures and thresholds alone."""

from __future__ import annotations

from dataclasses import dataclass

from vlmunl.metrics.behaviour import Behaviour
from vlmunl.metrics.wcr import Wcr
from vlmunl.stages.configs import Statistics

COVERS, COVERS_NOT = "covers 0", "does not cover 0"
CONTROLS = ("base", "placebo")
NO_ROUTE = "no route is live: no question format and picture carried the knowledge"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One phrase, and why where that is not plain."""

    verdict: str
    reason: str = ""


def role_verdict(name: str, wcr: Wcr | None) -> Verdict:
    """Roles: the imprint knows, gold never knew, base and placebo must cover 0."""
    if name == "imprint":
        return Verdict(verdict="knows")
    if name == "gold":
        return Verdict(verdict="never knew")
    return control_verdict(wcr)


def control_verdict(wcr: Wcr | None) -> Verdict:
    """Does a model that never learned the people read as zero?

    Both must hold: the cross-fit interval contains 0, and no route stands out (the simultaneous lower bound is
    not above 0); the second is the very test by which a method is said to recover.
    """
    if wcr is None or wcr.cross_fit is None:
        return Verdict(
            verdict="not assessable",
            reason=NO_ROUTE if wcr is None else "too few people to split",
        )
    fit, complaints = wcr.cross_fit, []
    if not fit.low <= 0 <= fit.high:
        side = "above" if fit.low > 0 else "below"
        complaints.append(f"cross-fit interval [{fit.low:.2f}, {fit.high:.2f}] lies {side} 0")
    if wcr.lower > 0:
        complaints.append(f"simultaneous lower bound {wcr.lower:.2f} is above 0")
    return Verdict(verdict=COVERS_NOT if complaints else COVERS, reason="; ".join(complaints))


def method_verdict(wcr: Wcr | None, shown: Behaviour, policy: Statistics) -> Verdict:
    """Methods: assessable at all? then recovers, robust, or neither shown."""
    if guard := _guard(shown, policy):
        return guard
    if wcr is None:
        return Verdict(verdict="not assessable (no live route)", reason=NO_ROUTE)
    if wcr.lower > 0:
        return Verdict(verdict="recovers")
    if wcr.upper < policy.tolerance:
        return Verdict(verdict="robust")
    return Verdict(verdict="no recovery shown", reason=f"limit {wcr.upper:.2f}")


def _guard(shown: Behaviour, policy: Statistics) -> Verdict | None:
    """The utility floor and the ceiling on refused and unreadable answers; unmeasured counts as not passed."""
    if shown.utility is None:
        return Verdict(verdict="not assessable (utility)", reason="utility was not measured")
    broken, unclear = shown.utility < policy.utility_floor, shown.refusal_invalid_retain
    refuses = unclear is not None and unclear > policy.refusal_ceiling
    reasons = []
    if broken:
        reasons.append(f"utility {shown.utility:.2f} is below the floor {policy.utility_floor:.2f}")
    if refuses:
        reasons.append(f"refused or invalid on retain {unclear:.2f} is above the ceiling {policy.refusal_ceiling:.2f}")
    if not reasons:
        return None
    return Verdict(
        verdict=f"not assessable ({'utility' if broken else 'refusal'})",
        reason="; ".join(reasons),
    )
