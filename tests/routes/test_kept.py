"""The core routes ask what they asked in the studies that were run with them: picture, words, answer, distractors."""

from __future__ import annotations

import PIL
import pytest

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.keys import canonical, digest_bytes
from vlmunl.routes.catalogue import CATALOGUE, CORE
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import questions

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not PIL.__version__.startswith("13."), reason="pixels are pinned as Pillow 13 draws them"),
]

ASKED = {
    "blur": "b8d98346",
    "bright": "ed3d2396",
    "canonical": "4ff4c335",
    "choice": "1aba8b1b",
    "cloze": "6f383d7f",
    "crop": "dd90c1b5",
    "dark": "9d385de4",
    "description": "295a8f91",
    "fact_first": "538fcda9",
    "few_shot": "d17c473a",
    "few_shot_image": "24d50a45",
    "flip": "40152e77",
    "grey": "bdc4c4b6",
    "image_name": "7050ebef",
    "invert": "67fe597a",
    "jpeg": "b512feeb",
    "lowres": "cd99bdf4",
    "name_first": "df5f9767",
    "name_given": "715c39b6",
    "new_photo": "53b0efa8",
    "noise": "425d7e7c",
    "null_image": "f6e25327",
    "occlude_mouth": "6b9b82ef",
    "occlude_top": "c0bbb2ab",
    "pad": "4a9bcf9e",
    "para_4": "1c221d2d",
    "para_5": "4dd540b3",
    "para_6": "76936fdd",
    "para_7": "adbb9eea",
    "rotate": "1065fdf7",
    "shout": "812f08e7",
    "subject": "0d2ccbd9",
    "text_choice": "46d341bf",
    "text_cloze": "743848f5",
    "text_only": "6dc65b82",
    "text_para": "56beb239",
    "text_verify": "e7754343",
    "typo": "ec4d9d93",
    "verify": "faa7c99b",
    "wrong_image": "6b8d2ac2",
}


def test_every_core_route_that_only_asks_is_pinned() -> None:
    assert set(ASKED) == {name for name in CORE if CATALOGUE[name].tier == "T0"}


@pytest.mark.parametrize("route", ASKED)
def test_a_core_route_asks_what_it_asked(route: str, benchmark_small: Benchmark) -> None:
    pictures = Pictures(benchmark_small.retain)
    asked: list[object] = []
    for person in (benchmark_small.forget[0], benchmark_small.retain[0]):
        for q in questions(CATALOGUE[route], person, benchmark_small.retain):
            at = pictures.of(person, q.image)
            seen = "" if at is None else pictures.digests[at]
            turns = [list(t) for t in q.turns]
            asked.append([q.variant, q.format, q.attribute, turns, seen, q.image_at, q.answer])
            asked[-1] += [list(q.options), list(q.distractors)]  # type: ignore[operator]
            assert q.reply == ""
    assert digest_bytes(canonical(asked)).xxh3[:8] == ASKED[route]
