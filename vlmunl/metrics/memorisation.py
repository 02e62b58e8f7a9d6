"""How well a model knows an answer, from the likelihoods of one teacher-forced pass. Log-probabilities are in nats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vlmunl.metrics.panel import Floats

_LARGEST = 700.0  # nats; more would overflow


def exact_memorisation(top: Sequence[bool]) -> float:
    """The share of an answer's tokens that are the likeliest where they stand (arXiv 2205.10770)."""
    return sum(top) / len(top)


def extraction_strength(top: Sequence[bool]) -> float:
    """The longest suffix of the answer that greedy reading would give, as a share of its tokens (arXiv 2012.07805).

    1 if it gives the whole answer, 0 if not even the last token.
    """
    missed = [place for place, hit in enumerate(top) if not hit]
    return (len(top) - missed[-1] - 1) / len(top) if missed else 1.0


def truth_ratio(logp_right: float, logp_wrong: Sequence[float]) -> float:
    """The geometric mean of the wrong answers' probabilities over the right one's, all of them per token.

    `R` of TOFU (arXiv 2401.06121), with the right answer itself in place of a paraphrase of it.

    Raises:
        ValueError: there is no wrong answer.
    """
    if not logp_wrong:
        raise ValueError("a truth ratio needs at least one wrong answer")
    return math.exp(min(_LARGEST, math.fsum(logp_wrong) / len(logp_wrong) - logp_right))


def truth_ratio_forget(ratios: Sequence[float]) -> float:
    """Mean of min(R, 1/R): 1 where right and wrong answers are as likely, TOFU's on the people to forget."""
    return math.fsum(min(r, 1 / r) if r > 0 else 0.0 for r in ratios) / len(ratios)


def truth_ratio_retain(ratios: Sequence[float]) -> float:
    """Mean of max(0, 1 - R): 1 where wrong answers are impossible, TOFU's on everybody else."""
    return math.fsum(max(0.0, 1 - r) for r in ratios) / len(ratios)


def forget_quality(unlearned: Sequence[float], retrained: Sequence[float]) -> float:
    """p-value of the two-sample Kolmogorov-Smirnov test between the truth ratios of two models (TOFU), exact."""
    return ks_p_value(ks_distance(unlearned, retrained), len(unlearned), len(retrained))


def ks_distance(left: Sequence[float], right: Sequence[float]) -> float:
    """The largest difference of the two distribution functions."""
    a, b = np.sort(np.asarray(left, dtype=np.float64)), np.sort(np.asarray(right, dtype=np.float64))
    at = np.concatenate([a, b])
    below: list[Floats] = [np.searchsorted(side, at, side="right") / len(side) for side in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def ks_p_value(distance: float, n: int, m: int) -> float:
    """Probability that two samples of n and m of one continuous distribution differ by `distance` or more.

    By counting the orders of the two samples whose walk leaves the band (Hodges, 1958), as sums of positive terms,
    so that small values are not lost to cancellation. Takes n * m steps.
    """
    bound = round(distance * n * m) - 0.5  # distances are multiples of 1 / nm
    outside = [0.0] * (m + 1)  # outside[j]: the walk to (i, j) has left the band at some point
    for i in range(n + 1):
        for j in range(m + 1):
            if abs(i * m - j * n) > bound:
                outside[j] = 1.0
            elif i + j:
                left = outside[j - 1] if j else 0.0
                outside[j] = (i * outside[j] + j * left) / (i + j)
    return outside[m]
