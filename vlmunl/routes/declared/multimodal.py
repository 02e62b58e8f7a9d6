"""Multimodal routes: picture and question changed together, one of them left out, or something said before."""

from __future__ import annotations

from vlmunl.routes.route import Route

_HELD = (4, 5, 6, 7)
_TWO = (4, 5)  # of open and cloze wordings two say as much as four; options and truth values need all four places
_NONE = ("none",)
_FORMATS = "format change as in MLLMU-Bench (generation, cloze, classification)"
_TEXT = "unimodal probe as in MLLMU-Bench (arXiv 2410.22108)"


def _text(name: str, family: str, description: str, **parts: object) -> Route:
    fields: dict[str, object] = {"source": _TEXT, "image": _NONE, "subject": "name", "modality": "multimodal"} | parts
    return Route(id=name, family=family, description=description, **fields)  # type: ignore[arg-type]


ROUTES: tuple[Route, ...] = (
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
