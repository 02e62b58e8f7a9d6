"""Forget Efficacy, Retain Performance and MIA Resistance: three published metrics, on answer tokens and a trained gold.

The formulas are those of the project's sources; what they are taken on is not. Perplexity is that of the right answers
to the canonical question, over all facts of a split, and tokens of prompts, pictures and padding are never counted.
"Before" is the imprint of the same seed. The attack tells the people to forget from people whom no model was ever
taught, by likelihood alone (Yeom et al., arXiv 1709.01604). The capped figures saturate soon (twice the perplexity is
full efficacy already), so the perplexities and their ratios stand beside them. No gate chooses the facts: one that
picks what the imprint knew well would tell members from strangers before anything was trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vlmunl.manifests.gate import t_quantile
from vlmunl.metrics.crossfit import combine, jackknife_variance, seed_part
from vlmunl.metrics.figures import NAMED
from vlmunl.metrics.panel import TINY, Floats, Panel
from vlmunl.metrics.wcr import Estimate, Resampler, ratio

_LARGEST = 700.0  # nats per token; more would overflow


@dataclass(frozen=True, kw_only=True)
class Likelihoods:
    """The canonical question on the people of a split, as one model answers it: [people, facts], NaN if not asked.

    `nll` is the negative log-likelihood of the right answer in nats, `tokens` the number of its tokens.
    """

    nll: Floats
    tokens: Floats

    @property
    def mean(self) -> Floats:
        """[people, facts] mean log-probability per answer token: the score of the attack."""
        scores: Floats = -self.nll / self.tokens
        return scores


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the three metrics need of one model: a `Likelihoods` per seed for each split."""

    forget: tuple[Likelihoods, ...]
    retain: tuple[Likelihoods, ...]
    unseen: tuple[Likelihoods, ...]


# ------------------------------------------------------------------------------------ the published formulas


def forget_efficacy(growth: float) -> float:
    """0..100 from the forget set's perplexity relative to before: 0 at 1, 100 from 2 on."""
    return min(100.0, max(0.0, 100.0 * (growth - 1.0)))


def retain_performance(growth: float) -> float:
    """0..100 from the retain set's perplexity relative to before: 100 up to 1, then falling exponentially."""
    return min(100.0, 100.0 * math.exp(min(_LARGEST, 1.0 - growth)))


def mia_resistance(auc: float) -> float:
    """0..100: 100 where the attack does no better than chance, 0 where it is always right, or always wrong."""
    return 100.0 * (1.0 - 2.0 * abs(auc - 0.5))


# ----------------------------------------------------------------------------------------------- the figures


def named_metrics(
    model: Measured,
    imprint: Measured,
    gold: Measured,
    seeds: tuple[int, ...],
    resamplers: tuple[Resampler, Resampler],
) -> dict[str, Any]:
    """All of `NAMED`; intervals are over people (of the forget and of the retain split: `resamplers`)."""
    found: dict[str, Estimate | None] = {}
    for split, capped, resampler in zip(("forget", "retain"), _CAPPED, resamplers, strict=True):
        mine, before, never = (getattr(m, split) for m in (model, imprint, gold))
        growth = _exp(_nats(mine, before, seeds, resampler))
        found |= {
            f"{split}_perplexity": _exp(_nats(mine, None, seeds, resampler)),
            f"{split}_ratio": growth,
            f"{split}_gold_ratio": _exp(_nats(mine, never, seeds, resampler)),
            capped[0]: _mapped(growth, capped[1]),
        }
    mine, never = (_wins(m.forget, m.unseen) for m in (model, gold))
    level = resamplers[0].level
    auc, gap = _of_pairs(mine, level, "auc"), _of_pairs(_minus(mine, never), level, "gap")
    reference = _of_pairs(never, level, "auc")
    found |= {"mia_auc": auc, "mia_auc_gap": gap, "mia_resistance": _resisted(auc)}
    plain: dict[str, Any] = {name: None if e is None else asdict(e) for name, e in found.items()}
    plain["mia_gold_gap"] = None
    if auc is not None and reference is not None:
        points = mia_resistance(auc.estimate) - mia_resistance(reference.estimate)
        plain["mia_gold_gap"] = {"estimate": points, "low": None, "high": None}
    return {name: plain[name] for name in NAMED}


_CAPPED: tuple[tuple[str, Callable[[float], float]], ...] = (
    ("forget_efficacy", forget_efficacy),
    ("retain_performance", retain_performance),
)


# -------------------------------------------------------------------------------------- perplexity and ratios


def _nats(
    model: Sequence[Likelihoods], reference: Sequence[Likelihoods] | None, seeds: tuple[int, ...], resampler: Resampler
) -> Estimate | None:
    """Nats per answer token (more than the reference's, if there is one) over all people, facts and seeds."""
    num, den = [], []
    for i, part in enumerate(model):
        nats = part.nll if reference is None else part.nll - reference[i].nll
        asked = np.isfinite(nats)
        num.append(np.where(asked, nats, 0.0).sum(axis=1))
        den.append(np.where(asked, part.tokens, 0.0).sum(axis=1))
    total, tokens = np.stack(num)[:, :, None], np.stack(den)[:, :, None]
    if tokens.sum() <= TINY:
        return None
    # No draw is surer than one person's deviation: one that holds the same person many times would be.
    apart = (total - total.sum() / tokens.sum() * tokens)[tokens > 0]
    grain = np.array([max(float(np.sqrt(np.square(apart).mean())), 1e-9)])
    return ratio(Panel(num=total, den=tokens, grain=grain), seeds, resampler)


def _exp(nats: Estimate | None) -> Estimate | None:
    return _mapped(nats, lambda x: math.exp(min(_LARGEST, x)))


def _mapped(found: Estimate | None, function: Callable[[float], float]) -> Estimate | None:
    """A monotone function of an estimate and of its bounds."""
    if found is None:
        return None
    ends = sorted((function(found.low), function(found.high)))
    return Estimate(estimate=function(found.estimate), low=ends[0], high=ends[1])


# ---------------------------------------------------------------------------------------- membership inference


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Over pairs of a fact of a member and one of a stranger: [seeds, members, strangers] sums and numbers.

    `grain` is the least standard error: one fact of the smaller side, ranked by chance.
    """

    won: Floats
    pairs: Floats
    grain: float


def auc(members: Sequence[float], strangers: Sequence[float]) -> float:
    """The share of pairs in which the member's score is higher; ties count half."""
    a, b = np.asarray(members)[:, None], np.asarray(strangers)[None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


def _wins(members: Sequence[Likelihoods], strangers: Sequence[Likelihoods]) -> _Pairs:
    won, pairs, grain = [], [], 0.0
    for inside, outside in zip(members, strangers, strict=True):
        mine, theirs = inside.mean, outside.mean
        known = np.isfinite(mine).sum(axis=1), np.isfinite(theirs).sum(axis=1)
        flat = theirs.ravel()[None, :]
        rows = [
            ((one[:, None] > flat) + 0.5 * (one[:, None] == flat)).sum(axis=0).reshape(theirs.shape).sum(axis=1)
            for one in mine
        ]
        won.append(np.stack(rows) if rows else np.zeros((0, len(theirs))))
        pairs.append(np.outer(*known).astype(np.float64))
        grain = max(grain, 0.5 / max(1, min(known[0].sum(), known[1].sum())))
    return _Pairs(won=np.stack(won), pairs=np.stack(pairs), grain=grain)


def _minus(model: _Pairs, gold: _Pairs) -> _Pairs:
    """Differences, where both were asked the same; without error where they never differ."""
    same = model.pairs == gold.pairs
    apart = np.where(same, model.won - gold.won, 0.0)
    grain = model.grain if np.any(apart) else 0.0
    return _Pairs(won=apart, pairs=np.where(same, model.pairs, 0.0), grain=grain)


def _of_pairs(given: _Pairs, level: float, kind: str) -> Estimate | None:
    """Share with its interval: a jackknife over the people of both sides and, if there are several, over seeds.

    That of an AUC (`kind`) is taken on log-odds, that of a difference (`gap`) as it stands.
    """
    here = given.pairs.sum(axis=0)
    some = np.ix_(here.sum(axis=1) > 0, here.sum(axis=0) > 0)
    won, pairs = given.won[:, *some], given.pairs[:, *some]
    seeds, members, strangers = won.shape
    if min(members, strangers) < 2:
        return None
    estimate = float(won.sum() / pairs.sum())
    parts = [(jackknife_variance(_without(won, pairs, axis)), won.shape[axis] - 1) for axis in (1, 2)]
    if seeds > 1:
        crossed = sum(jackknife_variance(_without(won, pairs, 0, axis)) for axis in (1, 2))
        parts.append(seed_part(jackknife_variance(_without(won, pairs, 0)), crossed, seeds))
    error, degrees = combine(parts)
    error, quantile = max(error, given.grain), t_quantile((1 + level) / 2, degrees)
    if kind == "auc":
        low, high = logit_interval(estimate, error, quantile, given.grain)
    else:
        low, high = max(-1.0, estimate - quantile * error), min(1.0, estimate + quantile * error)
    return Estimate(estimate=estimate, low=low, high=high)


def logit_interval(share: float, error: float, quantile: float, grain: float) -> tuple[float, float]:
    """An interval that is symmetric in log-odds, and so stays within 0 and 1 and is longer towards 1/2.

    Near 1 a symmetric one is too narrow where it matters: the error itself is underestimated just when the share
    came out too high (Newcombe 2006). A share of 0 or 1 is taken as `grain` away from it.
    """
    inside = min(max(share, grain), 1.0 - grain)
    odds, margin = math.log(inside / (1.0 - inside)), quantile * error / (inside * (1.0 - inside))
    low, high = (1.0 / (1.0 + math.exp(-min(_LARGEST, max(-_LARGEST, x)))) for x in (odds - margin, odds + margin))
    return (0.0 if share <= 0 else min(low, share)), (1.0 if share >= 1 else max(high, share))


def _without(won: Floats, pairs: Floats, *axes: int) -> Floats:
    """The share without each place along these axes in turn."""
    rest = tuple(axis for axis in range(3) if axis not in axes)
    left = pairs.sum() - pairs.sum(axis=rest)
    out: Floats = ((won.sum() - won.sum(axis=rest)) / np.maximum(left, TINY)).ravel()
    return out


def _resisted(found: Estimate | None) -> Estimate | None:
    """Resistance over all values that an interval of the AUC holds: it is highest at 1/2."""
    if found is None:
        return None
    low, high = mia_resistance(found.low), mia_resistance(found.high)
    best = 100.0 if found.low <= 0.5 <= found.high else max(low, high)
    return Estimate(estimate=mia_resistance(found.estimate), low=min(low, high), high=best)
