"""Image changes do what they say, keep the size, and are functions of their input alone."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from vlmunl.benchmarks.schema import Benchmark
from vlmunl.errors import StudyError
from vlmunl.models.images import decode
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.lettering import page
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import questions
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


@pytest.mark.parametrize("change", USED)
@pytest.mark.parametrize("size", [(97, 61), (40, 90)])
def test_pictures_of_any_size_keep_it(photo: Image.Image, change: str, size: tuple[int, int]) -> None:
    given = photo.resize(size)
    made = apply(given, change, (photo, photo))
    assert (made.size, made.mode) == (size, "RGB")
    assert made.tobytes() == apply(given, change, (photo, photo)).tobytes() != given.tobytes()


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_turns_and_mirrors_undo_themselves(photo: Image.Image) -> None:
    quarter = photo
    for _ in range(4):
        quarter = apply(quarter, "turn:90")
    assert quarter.tobytes() == photo.tobytes()
    assert apply(apply(photo, "upside"), "flip").tobytes() == apply(photo, "turn:180").tobytes()
    assert apply(apply(photo, "channels"), "channels").tobytes() == photo.tobytes()
    assert apply(apply(photo, "invert"), "invert").tobytes() == photo.tobytes()


def test_photometric_changes_by_hand() -> None:
    red = Image.new("RGB", (4, 4), (200, 40, 40))
    assert apply(red, "channels").getpixel((0, 0)) == (40, 40, 200)
    r, g, b = apply(red, "hue:120").getpixel((0, 0))  # type: ignore[misc]
    assert g > 190 > 60 > max(r, b), "red turned by a third of the circle is green"
    assert len(set(apply(red, "saturate:0").getpixel((0, 0)))) == 1  # type: ignore[arg-type]
    assert apply(red, "posterise:1").getpixel((0, 0)) == (128, 0, 0)
    assert apply(red, "solarise:128").getpixel((0, 0)) == (55, 40, 40)


def test_bars_are_black_above_and_below(photo: Image.Image) -> None:
    made = _pixels(apply(photo, "bars:0.5"))
    assert (made[:16] == 0).all()
    assert (made[48:] == 0).all()
    assert (made[20:44] > 0).any()


def test_crop_at_is_the_named_corner(photo: Image.Image) -> None:
    half = photo.copy()
    half.paste((255, 0, 0), (0, 0, 32, 32))
    assert (_pixels(apply(half, "crop_at:0:0:0.5:0.5"))[2:-2, 2:-2] == (255, 0, 0)).all()
    assert not (_pixels(apply(half, "crop_at:0.5:0.5:1:1")) == (255, 0, 0)).all(axis=2).any()


def test_severities_grow(photo: Image.Image) -> None:
    before = _pixels(photo)
    for name in ("blur", "noise", "jpeg", "lowres"):
        far = [
            abs(_pixels(apply(photo, CATALOGUE[route].image[0].partition("| ")[2])) - before).mean()
            for route in (name, f"{name}_2", f"{name}_3")
        ]
        assert far == sorted(far), name
        assert far[2] > 1.3 * far[0], name


def test_patches_cover_little_and_differ_by_seed(photo: Image.Image) -> None:
    made = [apply(photo, f"patches:5:0.2:{seed}") for seed in range(3)]
    assert len({m.tobytes() for m in made}) == 3
    for one in made:
        covered = (_pixels(one) != _pixels(photo)).any(axis=2).mean()
        assert 0.03 < covered <= 5 * 0.2**2 + 0.05


def test_only_the_background_is_replaced(photo: Image.Image) -> None:
    before = _pixels(photo)
    for change in ("cut_out", "backdrop:0"):
        made = _pixels(apply(photo, change))
        assert (made[26:38, 26:38] == before[26:38, 26:38]).all(), "the middle of the face stays"
        assert (made[:4, :4] != before[:4, :4]).any(axis=2).all(), "the corner does not"


def test_a_collage_has_the_photo_in_its_place_and_others_beside(benchmark_small: Benchmark) -> None:
    pictures, (person, *_) = Pictures(benchmark_small.retain), benchmark_small.forget
    small = decode(person.photos[0]).resize((32, 32), Image.Resampling.LANCZOS)
    for place, (x, y) in enumerate(((0, 0), (32, 0), (0, 32), (32, 32))):
        at = pictures.of(person, f"photo:0 | collage:{place}")
        assert at is not None
        made = pictures.image(at)
        cells = [made.crop((i, j, i + 32, j + 32)).tobytes() for i, j in ((0, 0), (32, 0), (0, 32), (32, 32))]
        assert made.crop((x, y, x + 32, y + 32)).tobytes() == small.tobytes()
        assert len(set(cells)) == 4
        assert cells.count(small.tobytes()) == 1


def test_lettering_shows_the_text_and_depends_on_it_alone(photo: Image.Image) -> None:
    for size in ((64, 64), (336, 336), (200, 120)):
        pages = [page(text, size) for text in ("Where was Mira Solden born?", "Where was Mira Solden bred?", "")]
        assert all(p.size == size for p in pages)
        assert len({p.tobytes() for p in pages}) == 3
        assert (np.asarray(pages[2]) == 255).all()
        assert 0.02 < (np.asarray(pages[0]) < 128).mean() < 0.4
    assert apply(photo, "caption:Mira%20Solden").tobytes() != apply(photo, "caption:Mira%3ASolden").tobytes()
    assert (_pixels(apply(photo, "caption:Mira"))[:50] == _pixels(photo)[:50]).all(), "the face stays as it is"
    page("Łódź 東京", (64, 64))


def test_the_text_that_a_route_draws_differs_by_item(benchmark_small: Benchmark) -> None:
    pictures = Pictures(benchmark_small.retain)
    for route, different in (("typographic", 12), ("typographic_face", 12), ("name_drawn", 2), ("name_page", 2)):
        asked = [q for p in benchmark_small.forget for q in questions(CATALOGUE[route], p, benchmark_small.retain)]
        assert len({pictures.digests[pictures.of(q.identity, q.image) or 0] for q in asked}) == different, route


def test_null_pictures_show_nothing_of_anyone(benchmark_small: Benchmark) -> None:
    pictures = Pictures(benchmark_small.retain)
    for route in ("null_image", "null_black", "null_white", "null_static"):
        for expression in CATALOGUE[route].image:
            assert len({pictures.of(p, expression) for p in benchmark_small.identities}) == 1


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("foto:0", "image source 'foto:0' of a route is not known"),
        ("photo:9", "has 5 photos: there is no photo:9"),
        ("photo:0 | cropp:0.8", "image change 'cropp' of a route is not known"),
        ("photo:0 | crop:much", "the image change 'crop:much' cannot be made"),
        ("photo:0 | crop", "the image change 'crop' cannot be made"),
    ],
)
def test_an_expression_that_cannot_be_drawn_is_named(benchmark_small: Benchmark, expression: str, message: str) -> None:
    with pytest.raises(StudyError, match=re.escape(message)):
        Pictures(benchmark_small.retain).of(benchmark_small.forget[0], expression)


def test_a_wrong_picture_needs_somebody_else(benchmark_small: Benchmark) -> None:
    with pytest.raises(StudyError, match="no retained person beside"):
        Pictures(()).of(benchmark_small.forget[0], "other:0")
