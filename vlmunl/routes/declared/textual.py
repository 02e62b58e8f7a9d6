"""Textual routes: the training photo with another question."""

from __future__ import annotations

from vlmunl.routes.route import Route

_HELD = (4, 5, 6, 7)
_TWO = (4, 5)  # of open and cloze wordings two say as much as four; options and truth values need all four places
_PARAPHRASE = "TOFU's paraphrased questions (arXiv 2401.06121)"
_FORMATS = "format change as in MLLMU-Bench (generation, cloze, classification)"

ROUTES: tuple[Route, ...] = (
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
        rewrite=("typo",),
    ),
    Route(
        id="shout",
        family="typo",
        modality="textual",
        description="the question in capitals",
        source="case changes as in RWKU's adversarial prompts (arXiv 2406.10890)",
        rewrite=("shout",),
    ),
)
