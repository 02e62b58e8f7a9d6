"""Textual routes: the training photo with another question."""

from __future__ import annotations

from vlmunl.routes.route import Route

_HELD = (4, 5, 6, 7)
_TWO = (4, 5)  # of open and cloze wordings two say as much as four; options and truth values need all four places
_PARAPHRASE = "TOFU's paraphrased questions (arXiv 2401.06121)"
_FORMATS = "format change as in MLLMU-Bench (generation, cloze, classification)"

RWKU = "RWKU's adversarial prompts (arXiv 2406.10890)"
EIGHT = "black-box attacks on forgotten facts (Lynch et al., arXiv 2402.16835)"
OWN = "this catalogue"


def worded(name: str, family: str, description: str, source: str, **parts: object) -> Route:
    """A textual route with these fields."""
    fields: dict[str, object] = {"modality": "textual"} | parts
    return Route(id=name, family=family, description=description, source=source, **fields)  # type: ignore[arg-type]


def each(name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """A rewrite with alternatives: each key is a variant."""
    return (" / ".join(f"{name}:{key}" for key in keys),)


_WORDED: tuple[Route, ...] = (
    worded(
        "reworded",
        "paraphrase",
        "the training question in five frames: polite, indirect, terse, form, quoted",
        _PARAPHRASE,
        rewrite=each("frame", ("polite", "indirect", "terse", "form", "reporter")),
    ),
    worded("synonym", "paraphrase", "words replaced by synonyms", RWKU, rewrite=("synonym",)),
    worded("twice", "paraphrase", "the question asked twice in one turn", OWN, rewrite=("twice",)),
    worded(
        "keyword",
        "keyword",
        "what is asked for, named before and after",
        "unPact (arXiv 2509.24675)",
        rewrite=("keyword",),
    ),
    worded("emphasis", "keyword", "longer words in capitals", "unPact (arXiv 2509.24675)", rewrite=("emphasis",)),
)

_FORMED: tuple[Route, ...] = (
    worded(
        "completion",
        "cloze",
        "the beginning of the answer's sentence, two held-back wordings, and no question",
        "completion as in TOFU and RWKU (arXiv 2401.06121, 2406.10890)",
        format="cloze",
        ask=_TWO,
        rewrite=("completion",),
    ),
    worded(
        "choice_rotated",
        "choice",
        "the training question with four options, each rotation once",
        _FORMATS,
        format="mcq",
        wording="open",
        rewrite=each("options", ("0", "1", "2", "3")),
        leak="the answer is one of the four options",
    ),
    worded(
        "choice_letters",
        "choice",
        "the training question with four lettered options, each rotation once; the letter is the answer",
        _FORMATS,
        format="mcq",
        wording="open",
        rewrite=each("letters", ("0", "1", "2", "3")),
        leak="the answer is one of the four options",
    ),
    worded(
        "choice_none",
        "choice",
        'options and "none of these", which is right in half of the questions',
        OWN,
        format="mcq",
        wording="open",
        rewrite=each("none", ("present:0", "absent:0", "present:2", "absent:2")),
        leak="the answer is one of the options, in half of the questions",
    ),
    worded(
        "yes_no",
        "verify",
        "is it true that ...? with the true value and with another, two wordings",
        "yes-no probes of VLM-UnL-Attack",
        format="truefalse",
        wording="cloze",
        ask=_TWO,
        rewrite=each("claim", ("true", "false")),
        leak="the value is stated, rightly in half of the questions",
    ),
)

_SPELLED: tuple[Route, ...] = (
    worded("typos", "typo", "neighbouring letters swapped in the two longest words", RWKU, rewrite=("typo:2",)),
    worded("lower", "typo", "small letters, no punctuation", RWKU, rewrite=("lower",)),
    worded("leet", "typo", "digits for letters (4, 3, 1, 0, 5, 7)", EIGHT, rewrite=("leet",)),
    worded("spaced", "typo", "a blank after every letter", EIGHT, rewrite=("spaced",)),
    worded("dashed", "typo", "a dash in the middle of longer words", EIGHT, rewrite=("dashed",)),
    worded("vowels", "typo", "inner vowels left out", EIGHT, rewrite=("vowels",)),
)

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
        leak="the answer is one of the four options",
    ),
    Route(
        id="verify",
        family="verify",
        modality="textual",
        format="truefalse",
        description="true or false, two true and two false statements",
        source=_FORMATS,
        ask=_HELD,
        leak="the value is stated, rightly in half of the questions",
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
    *_WORDED,
    *_FORMED,
    *_SPELLED,
)
