"""What is asked of a model, and what is found out by one reading of the prompt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from vlmunl.models.chat import Turn
from vlmunl.rng import Streams


@dataclass(frozen=True)
class Query:
    """A prompt (token ids), the index of its picture, the right answer and the wrong ones it is ranked against.

    `turns` is the conversation as it was asked, for interventions that judge it. `reply` is what the prompt's last
    tokens make the reply begin with. Without an `answer` only the reply is wanted. Draws of `decoding` come from
    `stream`.
    """

    prompt: tuple[int, ...]
    image: int | None
    answer: str | None
    distractors: tuple[str, ...]
    turns: tuple[Turn, ...] = ()
    reply: str = ""
    decoding: str = "greedy"
    stream: Streams | None = None


class Tokens(NamedTuple):
    """At each token of an answer, the answer being given up to there, and in nats:

    `logp` is the token's log-probability, `top` says whether it is the likeliest of all, `mean` and `sd` are those
    of the log-probability over the vocabulary under the model itself (Min-K++, arXiv 2404.02936).
    """

    logp: tuple[float, ...]
    top: tuple[bool, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]


class Likelihood(NamedTuple):
    """The right answer's tokens, and each distractor's mean log-probability per token."""

    right: Tokens
    wrong: tuple[float, ...]

    @property
    def logp(self) -> float:
        """Mean log-probability per token of the right answer."""
        return math.fsum(self.right.logp) / len(self.right.logp)


class Scored(NamedTuple):
    """The greedy text, the mean log-probability per token of the right answer, and whether it beats all others.

    `replies` are what the query's own decoding gave (of a greedy one the text, of a statistic nothing); `likelihood`
    is None if no answer was given. `error` says why there is nothing of all this.
    """

    text: str
    logp: float
    rank1: bool
    replies: tuple[str, ...] = ()
    likelihood: Likelihood | None = None
    error: str = ""


def failed(reason: str) -> Scored:
    """The outcome of a query that could not be scored."""
    return Scored("", math.nan, False, error=reason)
