"""A file cut short, or one bit of it flipped, anywhere in a store: it is named, never used, and made anew."""

from __future__ import annotations

import math
import random

import pytest

from tests.faults.ground import SCALE, assert_like, content, looked_at, published, rounds, some
from vlmunl.store import Store
from vlmunl.store.verify import set_aside


def flip(data: bytes, rng: random.Random) -> bytes:
    """One bit of a byte that is not a mere blank (of these a record has some, and none says anything)."""
    at = rng.choice([i for i, byte in enumerate(data) if not bytes([byte]).isspace()])
    return data[:at] + bytes([data[at] ^ 1 << rng.choice([0, 1, 2, 3, 4, 7])]) + data[at + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(max(1, len(data) - 2))]


def files_of(space):
    root = space / "store"
    return sorted(p.relative_to(space) for p in (*root.glob("objects/*/*"), *root.glob("records/*/*")))


@pytest.mark.parametrize("damage", [flip, cut])
def test_damage_to_any_file_is_named_never_used_and_mended(damage, finished, undisturbed_small, vlmunl_):
    """Every file in turn, in the long form; by default every third, another third for each kind of damage."""
    rng = random.Random(damage.__name__)
    files = files_of(undisturbed_small)
    for _ in range(math.ceil(SCALE / 3)):
        for file in some(files[1:] + files[:1] if damage is cut else files, len(files) // 3):
            path, good = finished / file, (undisturbed_small / file).read_bytes()
            if not good:
                continue
            path.chmod(0o644)
            path.write_bytes(damage(good, rng))
            assert [d.path for d in looked_at(finished).damages if d.there] == [path]
            codes = [vlmunl_("run", "toy")[0]]
            if codes == [5]:  # what was to be shown was altered: it says so, and the next run makes it anew
                codes.append(vlmunl_("run", "toy")[0])
            assert codes in ([0], [5, 0]), file
            assert published(finished) == published(undisturbed_small), file
            set_aside(Store.open(finished / "store"), looked_at(finished))
            assert vlmunl_("run", "toy")[0] == 0
            assert_like(finished, undisturbed_small)
            assert content(finished) == content(undisturbed_small)
            assert path.read_bytes() == good or "/records/" in str(path)


def test_several_at_once(finished, undisturbed_small, vlmunl_):
    rng = random.Random(1)
    for _ in range(rounds(3)):
        hit = rng.sample(files_of(undisturbed_small), 5)
        for file in hit:
            good = (undisturbed_small / file).read_bytes()
            (finished / file).chmod(0o644)
            (finished / file).write_bytes(rng.choice([flip, cut])(good, rng) if good else b"x")
        assert {d.path for d in looked_at(finished).damages if d.there} == {finished / file for file in hit}
        set_aside(Store.open(finished / "store"), looked_at(finished))
        assert vlmunl_("run", "toy")[0] == 0
        assert_like(finished, undisturbed_small)


def test_a_lost_file_is_made_anew(finished, undisturbed_small, vlmunl_):
    for file in some(files_of(undisturbed_small), 8):
        (finished / file).unlink()
        code = vlmunl_("run", "toy")[0]
        assert code == 0, file
        assert published(finished) == published(undisturbed_small)


def test_a_damaged_layout_file_is_named(finished, vlmunl_):
    marker = finished / "store" / "LAYOUT.json"
    good = marker.read_bytes()
    marker.chmod(0o644)
    for bad in (b"", good[:-9], good.replace(b"1", b"3", 1), b"\0" * len(good)):
        marker.write_bytes(bad)
        code, text = vlmunl_("run", "toy")
        assert (code, "store" in text) == (2, True), text
        assert "Traceback" not in text


def test_claims_and_scratch_of_any_content_stop_nobody(small, undisturbed_small, vlmunl_):
    Store.open(small / "store")
    for i, junk in enumerate((b"", b"\0" * 120, b"[]", b"{" * 1000)):
        (small / "store" / "claims" / f"{i:032x}.x").write_bytes(junk)
        (small / "store" / "tmp" / f"junk{i}").write_bytes(junk)
    assert vlmunl_("run", "toy")[0] == 0
    assert published(small) == published(undisturbed_small)
