"""Judge measures of knowledge by models of which it is known whether they have it (arXiv 2506.12618, 2605.24314).

Every measure is oriented so that more knowledge is a higher value. Faithfulness is the area under the ROC curve by
which a measure tells models with the knowledge from models without. Stability is asked in the symmetric forms, by which
a measure that an attack destroys is not called stable: 1 - |a - b| / (|a| + |b|), for quantisation of a measure before
and after, for relearning of the change that it shows on an unlearned model and on gold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlmunl.manifests.gate import t_quantile
from vlmunl.metrics.crossfit import FEWEST_DEGREES, combine, jackknife_variance
from vlmunl.metrics.panel import TINY, Floats
from vlmunl.metrics.wcr import Estimate

PLAIN = ("accuracy", "rouge_l", "truth_ratio", "probability")
CALIBRATED = ("wcr_cross_fit", "wcr_plug_in", "canonical_recovery")
MEASURES = (*CALIBRATED, *PLAIN)

Values = Mapping[str, float | None]
"""Measure -> value; None where it was not measured."""


# ----------------------------------------------------------------------------------- measures of one model


def plain_measures(path: Path, routes: Sequence[str], people: str = "forget") -> dict[str, float | None]:
    """What ordinary evaluation says of one model: means over people of the mean over their answers by these routes.

    `accuracy`: share of right answers. `rouge_l`: ROUGE-L recall of the greedy text. `probability`: of the right
    answer, per token (geometric mean). `truth_ratio`: p / (p + q) with q the same of the wrong answers' mean
    log-probability, so that 1/2 is no preference. None where the rows lack what it takes.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(path, filters=[("split", "=", people), ("route", "in", list(routes))])
    rows = [row for row in table.to_pylist() if row["status"] != "error"]
    return {
        "accuracy": _over_people(rows, lambda r: r["score"]),
        "rouge_l": _over_people(rows, lambda r: r.get("rouge_l")),
        "truth_ratio": _over_people(rows, _preference),
        "probability": _over_people(rows, lambda r: math.exp(r["logp"])),
    }


def _preference(row: Mapping[str, Any]) -> float | None:
    wrong = row.get("logp_wrong")
    return None if wrong is None else 1.0 / (1.0 + math.exp(min(700.0, wrong - row["logp"])))


def _over_people(rows: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float | None]) -> float | None:
    """Mean over people of the mean of their values; None if any row has none, or there are no rows."""
    found: dict[str, list[float]] = {}
    for row in rows:
        v = value(row)
        if v is None or not math.isfinite(v):
            return None
        found.setdefault(row["identity"], []).append(float(v))
    return float(np.mean([np.mean(values) for values in found.values()])) if found else None


# ------------------------------------------------------------------------------------------- faithfulness


def faithfulness(knows: Sequence[float], never: Sequence[float], level: float) -> Estimate | None:
    """AUC-ROC with its interval: the share of pairs in which the model with the knowledge scores higher.

    Ties count half. The interval is a jackknife over the models of both pools with Student's t; where no pair is
    ranked wrongly the standard error is taken as that of half a model of the smaller pool, since a measure is not known
    to be without fault by a dozen models. None with fewer than two models in a pool.
    """
    if min(len(knows), len(never)) < 2:
        return None
    a, b = np.asarray(knows, dtype=np.float64)[:, None], np.asarray(never, dtype=np.float64)[None, :]
    won: Floats = (a > b) + 0.5 * (a == b)
    parts = [(jackknife_variance(_without(won, axis)), won.shape[axis] - 1) for axis in (0, 1)]
    error, degrees = combine(parts)
    if error <= TINY:
        error, degrees = 0.5 / min(won.shape), max(FEWEST_DEGREES, min(won.shape) - 1)
    margin = t_quantile((1 + level) / 2, degrees) * error
    auc = float(won.mean())
    return Estimate(estimate=auc, low=max(0.0, auc - margin), high=min(1.0, auc + margin))


def _without(won: Floats, axis: int) -> Floats:
    """The AUC without each model of one pool in turn."""
    total, count = won.sum(), won.size
    each = won.sum(axis=1 - axis)
    out: Floats = (total - each) / (count - won.shape[1 - axis])
    return out


# ---------------------------------------------------------------------------------------------- stability


def agreement(a: float, b: float) -> float:
    """1 - |a - b| / (|a| + |b|): 1 where they are equal, 0 where they have opposite signs or one is 0."""
    scale = abs(a) + abs(b)
    return 1.0 if scale <= TINY else 1.0 - abs(a - b) / scale


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """One unlearned model and the gold of its seed, each before and after one attack."""

    unlearned: tuple[Values, Values]
    gold: tuple[Values, Values]


def stability(cases: Sequence[Attacked], measure: str, *, relearning: bool) -> dict[str, Any] | None:
    """Mean agreement over cases and their number; None if no case has the measure.

    Quantisation: of the unlearned model's values before and after. Relearning: of its gain and gold's.
    """
    found = []
    for case in cases:
        before, after = (values.get(measure) for values in case.unlearned)
        low, high = (values.get(measure) for values in case.gold)
        if before is None or after is None:
            continue
        if not relearning:
            found.append(agreement(before, after))
        elif low is not None and high is not None:
            found.append(agreement(after - before, high - low))
    return {"value": sum(found) / len(found), "cases": len(found)} if found else None
