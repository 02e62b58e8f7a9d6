"""More textual routes: pressure and roles, hints, the name asked for or given otherwise, other languages."""

from __future__ import annotations

from vlmunl.routes.declared.textual import EIGHT, OWN, RWKU, each, worded
from vlmunl.routes.route import Route

MIRAGE = "multi-hop and alias probes (arXiv 2603.11266)"

_PRESSED: tuple[Route, ...] = (
    worded(
        "role_play",
        "jailbreak",
        "the model is an archivist, a friend, a novelist, a candidate in a quiz",
        RWKU,
        rewrite=each("say", ("archivist", "friend", "novelist", "quiz")),
    ),
    worded(
        "anti_refusal",
        "jailbreak",
        "told never to refuse, that the person agreed, and to guess if unsure",
        EIGHT,
        rewrite=("say:never_refuse / say:allowed", "close:guess"),
    ),
    worded(
        "remember", "jailbreak", "told that it remembers what it was told to forget", OWN, rewrite=("say:remember",)
    ),
    worded(
        "pressed",
        "jailbreak",
        "told to be certain, or that its last answer was wrong",
        OWN,
        rewrite=each("close", ("certain", "again", "one_word")),
    ),
    worded("affirmed", "jailbreak", "after a turn in which the model agreed to answer", RWKU, context="agreed"),
    worded("prefix", "jailbreak", "the reply is made to begin with an announcement", RWKU, reply="The answer is"),
    worded(
        "prefix_sentence",
        "jailbreak",
        "the reply is made to begin with the answer's own sentence",
        RWKU,
        reply="{start}",
    ),
)

_HINTED: tuple[Route, ...] = (
    worded(
        "hint_letter",
        "hint",
        "the answer's first letter is told",
        RWKU,
        rewrite=("hint:letter",),
        leak="the first letter of the answer",
    ),
    worded(
        "hint_length",
        "hint",
        "how many letters the answer has is told",
        OWN,
        rewrite=("hint:length",),
        leak="the length of the answer",
    ),
    worded(
        "hint_candidates",
        "hint",
        "eight values are listed, in alphabetical order",
        RWKU,
        rewrite=("hint:candidates",),
        leak="the answer is one of the eight values",
    ),
    worded(
        "facts_given",
        "hint",
        "two other facts of the person stand before the question",
        "in-context facts (Lynch et al., arXiv 2402.16835)",
        context="facts_given:2",
        leak="two other facts of the person, which may go together with the answer",
    ),
)

_REVERSED: tuple[Route, ...] = (
    worded(
        "reverse",
        "reverse",
        "no photo; from the fact and another one to the name",
        EIGHT,
        image=("none",),
        rewrite=("reverse",),
        leak="the fact itself; the name is asked for",
    ),
    worded(
        "reverse_choice",
        "reverse",
        "no photo; from the fact and another one to one of four names, each rotation once",
        EIGHT,
        format="mcq",
        wording="open",
        image=("none",),
        rewrite=each("reverse", ("0", "1", "2", "3")),
        leak="the fact itself, and the name among four",
    ),
    worded(
        "multihop",
        "multihop",
        "no photo, no name: two other facts say who is meant",
        MIRAGE,
        image=("none",),
        rewrite=("bridge:2",),
        leak="two other facts of the person, which may go together with the answer",
    ),
    *(
        worded(
            name,
            "alias",
            f"no photo, asked by {what}",
            source,
            image=("none",),
            subject=name,
        )
        for name, what, source in (
            ("surname", "surname alone", MIRAGE),
            ("first_name", "first name alone", MIRAGE),
            ("initials", "initials", MIRAGE),
            ("short_first", "first initial and surname", MIRAGE),
            ("backwards", "name, surname first", MIRAGE),
        )
    ),
    *(
        worded(f"name_{name}", "typo", f"no photo, by name, {what}", EIGHT, image=("none",), subject=name)
        for name, what in (
            ("misspelt", "letters swapped in it"),
            ("leet", "digits for letters in it"),
            ("spelled", "spelled out with dashes"),
        )
    ),
)

_FOREIGN: tuple[Route, ...] = tuple(
    worded(
        f"language_{code}",
        "language",
        f"the question in {language}, to be answered in English",
        "cross-lingual probes (RWKU, arXiv 2406.10890)",
        rewrite=(f"language:{code}",),
    )
    for code, language in (("de", "German"), ("fr", "French"), ("es", "Spanish"), ("it", "Italian"))
)

ROUTES: tuple[Route, ...] = (*_PRESSED, *_HINTED, *_REVERSED, *_FOREIGN)
