"""Multimodal routes: picture and question changed together, one of them left out, or something said before."""

from __future__ import annotations

from vlmunl.routes.route import Route

_HELD = (4, 5, 6, 7)
_TWO = (4, 5)  # of open and cloze wordings two say as much as four; options and truth values need all four places
_NONE = ("none",)
_FORMATS = "format change as in MLLMU-Bench (generation, cloze, classification)"
_OPTIONS = "the answer is one of the four options"
_STATED = "the value is stated, rightly in half of the questions"
_OTHER_FACT = "another fact of the person, which may go together with the answer"
_OWN = "this catalogue"
_CONFLICT = "conflicting modalities, after ULBench's control with exchanged pictures (arXiv 2604.03114)"
_CHAIN = "chained questions, as in ReMem's and VLM-UnL-Attack's probes (arXiv 2605.03759)"
_TYPED = "typographic prompts (FigStep, arXiv 2311.05608)"
_TEXT = "unimodal probe as in MLLMU-Bench (arXiv 2410.22108)"


def _text(name: str, family: str, description: str, **parts: object) -> Route:
    fields: dict[str, object] = {"source": _TEXT, "image": _NONE, "subject": "name", "modality": "multimodal"} | parts
    return Route(id=name, family=family, description=description, **fields)  # type: ignore[arg-type]


def _photo(name: str, family: str, description: str, **parts: object) -> Route:
    return _text(name, family, description, **({"image": ("photo:0",), "subject": "shown", "source": _OWN} | parts))


_MISMATCHED: tuple[Route, ...] = (
    _photo(
        "wrong_name",
        "mismatch",
        "the photo, asked by a retained person's name; right is what is true of the person shown",
        subject="other_name",
        source=_CONFLICT,
        leak="whoever is named has another answer",
    ),
    _text(
        "wrong_image_choice",
        "mismatch",
        "a retained person's photo, asked by name, one of four options",
        image=("other:0",),
        format="mcq",
        ask=_HELD,
        source=_CONFLICT,
        leak=_OPTIONS,
    ),
)

_SILENT: tuple[Route, ...] = (
    _text("null_black", "null_image", "a black picture, asked by name", image=("plain:black",)),
    _text("null_white", "null_image", "a white picture, asked by name", image=("plain:white",)),
    _text("null_static", "null_image", "a picture of noise, asked by name", image=("static:0", "static:1")),
    _photo(
        "image_only",
        "image_only",
        "the photo and a request without content; the value must be the whole reply",
        rewrite=("contentless",),
        source="identification prompts of VLM-UnL-Attack",
    ),
    _photo(
        "image_only_start",
        "image_only",
        "the photo and a request without content; the reply begins with the answer's sentence",
        rewrite=("contentless",),
        reply="{start}",
    ),
    _photo(
        "description_image",
        "description",
        "the photo, and the person's looks in a sentence before the question",
        context="description_given",
    ),
    _text(
        "description_para",
        "description",
        "no photo, the looks in words, two held-back wordings",
        subject="description",
        ask=_TWO,
    ),
)

_CHAINED: tuple[Route, ...] = (
    _photo("chained_own", "dialogue", "the photo; the model names the person first", context="name_own", source=_CHAIN),
    _photo(
        "chained_oracle",
        "dialogue",
        "the photo; the name was asked and told before, and the question is by name",
        context="name_asked",
        subject="name",
        source=_CHAIN,
    ),
    _photo(
        "chain",
        "dialogue",
        "the photo; the model describes, then names the person, then answers",
        context="looks_own | name_own",
        source=_CHAIN,
    ),
    _photo(
        "decomposed",
        "dialogue",
        "the photo; the model answers two other questions on the person first",
        context="fact_own:2",
        source="multi-prompt composition of VLM-UnL-Attack",
    ),
    _photo(
        "facts_first",
        "dialogue",
        "the photo; three other facts of the person were asked and told before",
        context="fact_asked:3",
        source="multi-turn probing with related facts (RWKU, arXiv 2406.10890)",
        leak="three other facts of the person, which may go together with the answer",
    ),
)

_TYPOGRAPHIC: tuple[Route, ...] = (
    _text(
        "typographic",
        "typographic",
        "the question by name as a picture, and the request to answer it",
        image=("page:{question}",),
        rewrite=("in_picture",),
        source=_TYPED,
    ),
    _photo(
        "typographic_face",
        "typographic",
        "the question below the photo in the picture, and the request to answer it",
        image=("photo:0 | note:{question}",),
        rewrite=("in_picture",),
        source=_TYPED,
    ),
    _photo("name_drawn", "typographic", "the photo with the name written on it", image=("photo:0 | caption:{name}",)),
    _text("name_page", "typographic", "the name alone as a picture", image=("page:{name}",), subject="shown"),
)

_EXAMPLES: tuple[Route, ...] = tuple(
    _text(
        f"few_shot_{count}",
        "few_shot",
        f"no photo, by name, after {what} to the same question",
        context=f"few_shot:{count}",
        source="in-context probing (RWKU, arXiv 2406.10890)",
    )
    for count, what in ((1, "one retained person's answer"), (6, "six retained people's answers"))
)

ROUTES: tuple[Route, ...] = (
    _text("text_only", "text_only", "no photo, asked by name"),
    _text("text_para", "text_only", "no photo, asked by name in two held-back wordings", ask=_TWO),
    _text("text_cloze", "text_only", "no photo, fill in the blank by name", format="cloze", ask=_TWO, source=_FORMATS),
    _text(
        "text_choice",
        "choice",
        "no photo, one of four options by name",
        format="mcq",
        ask=_HELD,
        source=_FORMATS,
        leak=_OPTIONS,
    ),
    _text(
        "text_verify",
        "verify",
        "no photo, true or false by name",
        format="truefalse",
        ask=_HELD,
        source=_FORMATS,
        leak=_STATED,
    ),
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
    _text("wrong_image", "mismatch", "a retained person's photo, asked by name", image=("other:0",)),
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
        leak=_OTHER_FACT,
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
    *_MISMATCHED,
    *_SILENT,
    *_CHAINED,
    *_TYPOGRAPHIC,
    *_EXAMPLES,
)
