"""Image changes do what they say, keep the size, and are functions of their input alone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.models.images import decode
from vlmunl.routes.catalogue import CATALOGUE, Route, catalogue_hash
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.transforms import CHANGES, apply

USED = sorted({c.strip() for r in CATALOGUE.values() for e in r.image for c in e.split("|")[1:]})

pytestmark = pytest.mark.model  # decoding imports the model room


@pytest.fixture
def photo(benchmark_small: Benchmark) -> Image.Image:
    return decode(benchmark_small.identities[0].photos[0])


@pytest.mark.parametrize("change", USED)
def test_same_size_and_deterministic_and_not_the_identity(photo: Image.Image, change: str) -> None:
    once, twice = apply(photo, change), apply(photo, change)
    assert once.size == photo.size
    assert once.mode == "RGB"
    assert once.tobytes() == twice.tobytes() != photo.tobytes()


def test_every_change_is_used_by_a_route() -> None:
    assert {c.split(":")[0] for c in USED} == set(CHANGES)


def test_flip_twice_is_the_photo(photo: Image.Image) -> None:
    assert apply(apply(photo, "flip"), "flip").tobytes() == photo.tobytes()


def test_cover_changes_only_its_box(photo: Image.Image) -> None:
    before, after = np.asarray(photo), np.asarray(apply(photo, "cover:0.25:0.5:0.75:1"))
    w, h = photo.size
    assert (after[h // 2 :, w // 4 : 3 * w // 4] == 128).all()
    assert (after[: h // 2] == before[: h // 2]).all()


def test_noise_has_its_seed_in_the_expression(photo: Image.Image) -> None:
    first, second = apply(photo, "noise:0.1:0"), apply(photo, "noise:0.1:1")
    assert first.tobytes() != second.tobytes()
    spread = (np.asarray(first, float) - np.asarray(photo, float)).std() / 255
    assert 0.05 < spread < 0.12


def test_pictures_are_made_once_and_wrong_pictures_show_others(benchmark_small: Benchmark) -> None:
    pictures = Pictures(benchmark_small.retain)
    one, two = benchmark_small.forget[:2]
    assert pictures.of(one, "photo:0") == pictures.of(one, "photo:0") != pictures.of(two, "photo:0")
    assert pictures.of(one, "none") is None
    own = {pictures.of(one, f"photo:{i}") for i in range(len(one.photos))}
    assert pictures.of(one, "other:0") not in own
    kept = benchmark_small.retain[0]
    assert pictures.of(kept, "other:0") != pictures.of(kept, "photo:0")
    assert pictures.of(one, "plain:grey") == pictures.of(two, "plain:grey")


def test_catalogue_hash_covers_definitions_and_not_order() -> None:
    routes = list(CATALOGUE.values())
    assert catalogue_hash(routes) == catalogue_hash(reversed(routes))
    changed = Route(**{**vars(routes[3]), "image": ("photo:0 | crop:0.7",)})
    assert catalogue_hash([*routes[:3], changed, *routes[4:]]) != catalogue_hash(routes)
    assert catalogue_hash(routes[1:]) != catalogue_hash(routes)
