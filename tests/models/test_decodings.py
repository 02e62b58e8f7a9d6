"""How a route's decoding is written."""

from __future__ import annotations

import pytest

from vlmunl.errors import StudyError
from vlmunl.models.scoring.decodings import Decoding, decoding
from vlmunl.routes.catalogue import CATALOGUE


def test_every_route_of_the_catalogue_can_be_read() -> None:
    tiers = {(decoding(r.decoding).kind, bool(r.reply)): r.tier for r in CATALOGUE.values() if not r.attack}
    assert all(tier == "T1" for (kind, _), tier in tiers.items() if kind in ("sample", "beam"))
    assert all(tier == "T2" for (kind, begun), tier in tiers.items() if begun or kind in ("rank", "loss", "zlib"))
    assert all(r.budget == len(r.variants) * max(1, decoding(r.decoding).draws) for r in CATALOGUE.values())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("greedy", Decoding("greedy", 1)),
        ("sample:8:0.7", Decoding("sample", 8, 0.7)),
        ("beam:4", Decoding("beam", 4)),
        ("rank", Decoding("rank")),
        ("min_k:20", Decoding("min_k", percent=20)),
    ],
)
def test_forms(text: str, found: Decoding) -> None:
    assert decoding(text) == found


@pytest.mark.parametrize(
    "text", ["", "warm", "sample", "sample:8", "sample:0:1", "sample:8:0", "sample:x:1", "beam:-1", "min_k:0", "rank:3"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match="cannot be read"):
        decoding(text)
