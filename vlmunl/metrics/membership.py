"""Was this in the training data? Statistics of one answer's tokens, higher for members, and what they add up to.

Log-probabilities are in nats; each statistic is that of the published attack with the sign turned where the
attack's own falls with membership.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from vlmunl.metrics.panel import Floats


def min_k(logp: Sequence[float], percent: int) -> float:
    """Mean log-probability of the least likely `percent` of the tokens, at least one (Min-K %, arXiv 2310.16789)."""
    return _lowest(logp, percent)


def min_k_pp(logp: Sequence[float], mean: Sequence[float], sd: Sequence[float], percent: int) -> float:
    """The same of log-probabilities standardised over the vocabulary at each place (Min-K++, arXiv 2404.02936).

    Where all that is possible is equally likely there is nothing to standardise by, and the token counts as average.
    """
    standard = [(p - m) / s if s > 0 else 0.0 for p, m, s in zip(logp, mean, sd, strict=True)]
    return _lowest(standard, percent)


def _lowest(values: Sequence[float], percent: int) -> float:
    count = max(1, len(values) * percent // 100)
    return sum(sorted(values)[:count]) / count


def zlib_ratio(logp: float, text: str) -> float:
    """Mean log-probability per byte of the compressed text: the loss over the text's own entropy (arXiv 2012.07805)."""
    return logp / len(zlib.compress(text.encode()))


def placement(value: float, others: Sequence[float]) -> float:
    """The share of `others` that lie below, ties counting half; in [0, 1].

    The mean placement of members among strangers is the area under the ROC curve (DeLong et al., 1988).

    Raises:
        ValueError: there are no others.
    """
    if not len(others):
        raise ValueError("a placement needs something to be placed among")
    among: Floats = np.asarray(others, dtype=np.float64)
    return float(((among < value) + 0.5 * (among == value)).mean())


def auc(members: Sequence[float], strangers: Sequence[float]) -> float:
    """Probability that a member's statistic is above a stranger's, ties counting half."""
    return float(np.mean([placement(value, strangers) for value in members]))


def priv_leak(auc_unlearned: float, auc_retrained: float) -> float:
    """PrivLeak of MUSE (arXiv 2407.06460) in percent, of AUCs that are 1 where the forget set is plainly memorised.

    0: as after retraining; below it the forget set can still be told from unseen data, above it too well forgotten.

    Raises:
        ValueError: the retrained model's AUC is 1, and there is no scale.
    """
    if auc_retrained == 1:
        raise ValueError("the retrained model tells the forget set perfectly from unseen data; PrivLeak has no scale")
    return 100 * (auc_retrained - auc_unlearned) / (1 - auc_retrained)
