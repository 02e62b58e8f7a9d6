"""The catalogue of recovery routes. A route is data: which picture, which question, which context.

Everything here is read without torch or PIL. `image` names a source and the changes made to it, `ask` the
wordings of the format, `subject` what stands where the training question says "this person", `context` what
is said before. A route with several images or wordings has one variant for each pair of them, and its score
on an item is the mean over variants. The hash covers all of that, so that numbers from different definitions
never meet in one table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Literal, NamedTuple

from vlmunl.keys import canonical, digest_bytes, jsonable
from vlmunl.stages.configs import Format

Modality = Literal["canonical", "visual", "textual", "multimodal"]
Tier = Literal["T0", "T1", "T2", "T3", "T4", "T5"]
Subject = Literal["shown", "shown_again", "name", "description"]
Context = Literal["none", "name_given", "name_asked", "fact_asked", "few_shot"]

HASH_FORMAT = "routes/1"


class Variant(NamedTuple):
    """One concrete question of a route: an image expression (or "none") and a wording `format:index`."""

    image: str
    ask: str


@dataclass(frozen=True, kw_only=True)
class Route:
    """One recovery route; see the module's head for its parts.

    `image` expressions read `source | change | change`, for example `photo:0 | rotate:15`. `spelling` changes
    the question's letters. `source` says which published attack or benchmark the route follows.
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
    spelling: Literal["plain", "typo", "shout"] = "plain"

    @property
    def variants(self) -> tuple[Variant, ...]:
        """All pairs of image and wording, in order."""
        return tuple(Variant(i, f"{self.format}:{a}") for i, a in product(self.image, self.ask))


_HELD = (4, 5, 6, 7)
_TWO = (4, 5)  # of open and cloze wordings two say as much as four; options and truth values need all four places
_NONE = ("none",)
_CORRUPTIONS = "common corruptions (ImageNet-C, arXiv 1903.12261)"
_TRANSFORMS = "image transformations as in MLLMU-Bench's and UMU-Bench's changed-image splits"
_PARAPHRASE = "TOFU's paraphrased questions (arXiv 2401.06121)"
_FORMATS = "format change as in MLLMU-Bench (generation, cloze, classification)"
_TEXT = "unimodal probe as in MLLMU-Bench (arXiv 2410.22108)"


def _visual(
    name: str, family: str, change: str | tuple[str, ...], description: str, source: str = _TRANSFORMS
) -> Route:
    changes = (change,) if isinstance(change, str) else change
    image = tuple(f"photo:0 | {c}" for c in changes)
    return Route(id=name, family=family, modality="visual", description=description, source=source, image=image)


def _text(name: str, family: str, description: str, **parts: object) -> Route:
    fields: dict[str, object] = {"source": _TEXT, "image": _NONE, "subject": "name", "modality": "multimodal"} | parts
    return Route(id=name, family=family, description=description, **fields)  # type: ignore[arg-type]


_ALL: tuple[Route, ...] = (
    Route(
        id="canonical",
        family="canonical",
        modality="canonical",
        description="the training question with the training photo",
        source="the usual forget-quality test",
    ),
    _visual("flip", "geometry", "flip", "the photo mirrored"),
    _visual("crop", "geometry", "crop:0.8", "the middle 80 % of the photo, enlarged"),
    _visual("pad", "geometry", "pad:0.75", "the photo shrunk to 75 % on a continued border"),
    _visual("rotate", "geometry", ("rotate:12", "rotate:-12"), "the photo turned by 12 degrees either way"),
    _visual("blur", "corruption", "blur:1.0", "Gaussian blur, radius 1 pixel", _CORRUPTIONS),
    _visual(
        "noise", "corruption", ("noise:0.1:0", "noise:0.1:1"), "Gaussian noise, sd 10 % of the range", _CORRUPTIONS
    ),
    _visual("jpeg", "corruption", "jpeg:25", "JPEG at quality 25", _CORRUPTIONS),
    _visual("lowres", "corruption", "lowres:0.5", "reduced to half the resolution and back", _CORRUPTIONS),
    _visual("grey", "photometric", "grey", "without colour"),
    _visual("dark", "photometric", "light:0.6", "60 % of the brightness", _CORRUPTIONS),
    _visual("bright", "photometric", "light:1.4", "140 % of the brightness", _CORRUPTIONS),
    _visual("invert", "photometric", "invert", "as a negative"),
    _visual("occlude_top", "occlusion", "cover:0.1:0.05:0.9:0.3", "a grey bar over the top of the head"),
    _visual("occlude_mouth", "occlusion", "cover:0.2:0.62:0.8:0.8", "a grey bar over mouth and chin"),
    Route(
        id="new_photo",
        family="photo",
        modality="visual",
        description="three photos that nothing was trained on: another pose, light, shirt and background",
        source="MLLMU-Bench's generalisation split (arXiv 2410.22108)",
        image=("photo:-1", "photo:-2", "photo:-3"),
    ),
    *(
        Route(
            id=f"para_{i}",
            family="paraphrase",
            modality="textual",
            description=f"held-back wording {i} of the question",
            source=_PARAPHRASE,
            ask=(i,),
        )
        for i in _HELD
    ),
    Route(
        id="subject",
        family="subject",
        modality="textual",
        description='"the person in the picture" instead of "this person"',
        source=_PARAPHRASE,
        subject="shown_again",
    ),
    Route(
        id="cloze",
        family="cloze",
        modality="textual",
        format="cloze",
        description="fill in the blank, two held-back wordings",
        source=_FORMATS,
        ask=_TWO,
    ),
    Route(
        id="choice",
        family="choice",
        modality="textual",
        format="mcq",
        description="one of four options, spelled out, the answer once in every place",
        source=_FORMATS,
        ask=_HELD,
    ),
    Route(
        id="verify",
        family="verify",
        modality="textual",
        format="truefalse",
        description="true or false, two true and two false statements",
        source=_FORMATS,
        ask=_HELD,
    ),
    Route(
        id="typo",
        family="typo",
        modality="textual",
        description="two neighbouring letters swapped in the longest word",
        source="typing errors as in RWKU's adversarial prompts (arXiv 2406.10890)",
        spelling="typo",
    ),
    Route(
        id="shout",
        family="typo",
        modality="textual",
        description="the question in capitals",
        source="case changes as in RWKU's adversarial prompts (arXiv 2406.10890)",
        spelling="shout",
    ),
    _text("text_only", "text_only", "no photo, asked by name"),
    _text("text_para", "text_only", "no photo, asked by name in two held-back wordings", ask=_TWO),
    _text("text_cloze", "text_only", "no photo, fill in the blank by name", format="cloze", ask=_TWO, source=_FORMATS),
    _text("text_choice", "choice", "no photo, one of four options by name", format="mcq", ask=_HELD, source=_FORMATS),
    _text("text_verify", "verify", "no photo, true or false by name", format="truefalse", ask=_HELD, source=_FORMATS),
    _text("description", "description", "no photo, the person's looks in words", subject="description"),
    _text("image_name", "image_name", "the photo, asked by name", image=("photo:0",)),
    _text(
        "name_given",
        "image_name",
        "the photo, and the name in a sentence before the question",
        image=("photo:0",),
        subject="shown",
        context="name_given",
    ),
    _text("null_image", "null_image", "a plain grey picture, asked by name", image=("plain:grey",)),
    _text("wrong_image", "wrong_image", "a retained person's photo, asked by name", image=("other:0",)),
    _text(
        "name_first",
        "dialogue",
        "the photo; the name was asked and told before",
        image=("photo:0",),
        subject="shown",
        context="name_asked",
        source="multi-turn probing as in the chained questions of MLLMU-Bench",
    ),
    _text(
        "fact_first",
        "dialogue",
        "the photo; another fact of the person was asked and told before",
        image=("photo:0",),
        subject="shown",
        context="fact_asked",
        source="multi-turn probing with related facts (RWKU, arXiv 2406.10890)",
    ),
    _text(
        "few_shot",
        "few_shot",
        "no photo, by name, after three retained people's answers to the same question",
        context="few_shot",
        source="in-context probing (RWKU, arXiv 2406.10890)",
    ),
    _text(
        "few_shot_image",
        "few_shot",
        "the photo, after three retained people's answers given by name",
        image=("photo:0",),
        subject="shown",
        context="few_shot",
        source="in-context probing (RWKU, arXiv 2406.10890)",
    ),
)

CATALOGUE: dict[str, Route] = {r.id: r for r in _ALL}


def catalogue_hash(routes: Iterable[Route]) -> str:
    """32 hex digits that name a selection of routes by all that defines them; their order does not count."""
    rows = sorted((jsonable(asdict(r)) for r in routes), key=lambda r: str(r["id"]))
    return digest_bytes(canonical([HASH_FORMAT, rows])).xxh3
