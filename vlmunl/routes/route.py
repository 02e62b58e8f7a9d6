"""A recovery route is data: which picture, which question, which context, how the reply is drawn, after what attack.

Everything here is read without torch or PIL. `image` names a source and the changes made to it, `ask` the
wordings of the format, `subject` what stands where the training question says "this person", `context` what
is said before, `rewrite` what is done to the question's words, `decoding` how the reply is drawn or what of the
model's probabilities is scored, and `attack` what is done to the model before it is asked. A route with several images
or wordings has one variant for each pair of them, and its score on an item is the mean over variants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Literal, NamedTuple

from vlmunl.keys import canonical, digest_bytes, jsonable
from vlmunl.stages.configs import Format

Modality = Literal["canonical", "visual", "textual", "multimodal", "decoding", "model"]
Tier = Literal["T0", "T1", "T2", "T3", "T4", "T5"]
Subject = Literal["shown", "shown_again", "name", "description"]
Context = Literal["none", "name_given", "name_asked", "fact_asked", "few_shot"]

HASH_FORMAT = "routes/2"


class Variant(NamedTuple):
    """One concrete question of a route: an image expression (or "none") and a wording `format:index`."""

    image: str
    ask: str


@dataclass(frozen=True, kw_only=True)
class Route:
    """One recovery route; see the module's head for its parts.

    `image` expressions read `source | change | change`, for example `photo:0 | rotate:15`. `rewrite` names changes of
    the question, in order. `reply` is what the model's reply is made to begin with. `decoding` is `greedy`, a way to
    draw (`sample:8:1.0`) or a statistic (`rank`, `min_k:20`). `attack` reads `name:argument:argument`; empty for none.
    `leak` says what the question itself gives away, `source` which published attack or benchmark the route follows.
    """

    id: str
    family: str
    modality: Modality
    description: str
    source: str
    tier: Tier = "T0"
    format: Format = "open"
    image: tuple[str, ...] = ("photo:0",)
    ask: tuple[int, ...] = (0,)
    subject: Subject = "shown"
    context: Context = "none"
    rewrite: tuple[str, ...] = ()
    reply: str = ""
    decoding: str = "greedy"
    attack: str = ""
    leak: str = ""

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All pairs of image and wording, in order."""
        return tuple(Variant(i, f"{self.format}:{a}") for i, a in product(self.image, self.ask))

    @property
    def budget(self) -> int:
        """How many replies an item costs: variants times draws (or beams)."""
        name, *arguments = self.decoding.split(":")
        return len(self.variants) * (int(arguments[0]) if name in ("sample", "beam") else 1)


def catalogue_hash(routes: Iterable[Route]) -> str:
    """32 hex digits that name a selection of routes by all that defines them; their order does not count."""
    rows = sorted((jsonable(asdict(r)) for r in routes), key=lambda r: str(r["id"]))
    return digest_bytes(canonical([HASH_FORMAT, rows])).xxh3
