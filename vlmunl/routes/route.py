"""A recovery route is data: which picture, which question, which context, how the reply is drawn, after what attack.

Everything here is read without torch or PIL. `image` names a source and the changes made to it, `ask` the wordings of
a format, `subject` what stands where the training question says "this person", `rewrite` what is done to the question,
`context` what is said before it, `reply` what the model's reply begins with, `decoding` how the reply is drawn or what
of the model's probabilities is scored, and `attack` what is done to the model before it is asked. A route with several
images, wordings or ways to rewrite has one variant for each combination; its score on an item is their mean.

The small language of these fields: arguments follow a name after colons, and a name with a dot is a function of an
installed package (`my_package.mosaic:8`), so that a plug-in's route brings its own code.
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

HASH_FORMAT = "routes/3"


class Variant(NamedTuple):
    """One concrete question of a route: an image expression (or "none"), a wording `format:index`, its rewrites."""

    image: str
    ask: str
    rewrite: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Route:
    """One recovery route; see the module's head for its parts.

    `image` expressions read `source | change | change`, for example `photo:0 | rotate:15`. The words come from the
    wordings of `wording`, or of `format` where that is empty; `format` is that of the answer, by which the route is
    calibrated. `rewrite` names changes of the question, in order; of `one / other` each makes a variant of its own.
    `context` names what is said before, `|` between several. `decoding` is `greedy`, a way to draw (`sample:8:1.0`) or
    a statistic (`rank`, `min_k:20`). `attack` reads `name:argument:argument`; empty for none. `leak` says what the
    question gives away of the person's facts, `source` which published attack or benchmark the route follows, `mixes`
    the families of the routes that a composition is made of. Bump `version` where a plug-in's code changes.
    """

    id: str
    family: str
    modality: Modality
    description: str
    source: str
    tier: Tier = "T0"
    format: Format = "open"
    wording: Format | Literal[""] = ""
    image: tuple[str, ...] = ("photo:0",)
    ask: tuple[int, ...] = (0,)
    subject: str = "shown"
    context: str = "none"
    rewrite: tuple[str, ...] = ()
    reply: str = ""
    decoding: str = "greedy"
    attack: str = ""
    leak: str = ""
    mixes: tuple[str, ...] = ()
    version: int = 1

    @property
    def name(self) -> str:
        """The id, as registries of named things call it."""
        return self.id

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All combinations of image, wording and rewrites, in order."""
        form = self.wording or self.format
        ways = tuple(product(*(tuple(part.strip() for part in one.split(" / ")) for one in self.rewrite)))
        return tuple(Variant(i, f"{form}:{a}", w) for i, a, w in product(self.image, self.ask, ways))

    @property
    def budget(self) -> int:
        """How many replies an item costs: variants times draws (or beams)."""
        name, *arguments = self.decoding.split(":")
        return len(self.variants) * (int(arguments[0]) if name in ("sample", "beam") else 1)


def catalogue_hash(routes: Iterable[Route]) -> str:
    """32 hex digits that name a selection of routes by all that defines them; their order does not count."""
    rows = sorted((jsonable(asdict(r)) for r in routes), key=lambda r: str(r["id"]))
    return digest_bytes(canonical([HASH_FORMAT, rows])).xxh3
