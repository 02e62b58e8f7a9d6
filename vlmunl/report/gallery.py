"""The examples as the page shows them; each picture is embedded once."""

from __future__ import annotations

import math
from typing import Any

from vlmunl.report.answers import Answer
from vlmunl.report.asked import Asked
from vlmunl.report.examples import Example, Shown


class Gallery:
    """Collects pictures by digest; `pictures` are data URIs."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.pictures: list[str] = []
        self._place: dict[str, int] = {}

    def shown(self, some: Shown) -> dict[str, Any]:
        """The examples of one method."""
        return {
            "route": some.route,
            "of": some.of,
            "rule": some.rule,
            "items": [self._example(one) for one in some.examples],
        }

    def _example(self, one: Example) -> dict[str, Any]:
        words = self.asked.words(one.item)
        return {
            "person": one.item.identity,
            "fact": one.item.attribute,
            "route": one.item.route,
            "variant": one.item.variant,
            "seed": one.seed,
            "why": one.why,
            "prompt": words.prompt if words is not None else "",
            "expected": words.expected if words is not None else "",
            "picture": self._picture(one),
            "sent": bool(one.after.image),
            "digests": [one.after.prompt, one.after.image],
            "said": [_said(answer) for answer in (one.before, one.after, one.never)],
        }

    def _picture(self, one: Example) -> int:
        """The place of its picture; -1 if none was sent, or if it cannot be made as it was sent."""
        digest = one.after.image
        if digest not in self._place:
            uri = self.asked.picture(one.item, digest)
            self._place[digest] = len(self.pictures) if uri else -1
            self.pictures += [uri] if uri else []
        return self._place[digest]


def _said(answer: Answer | None) -> list[Any] | None:
    """Status, text, log-probability, score and cell."""
    if answer is None:
        return None
    logp = answer.logp if answer.logp is not None and math.isfinite(answer.logp) else None
    score = answer.score if math.isfinite(answer.score) else None
    return [answer.status, answer.text, None if logp is None else round(logp, 4), score, answer.cell]
