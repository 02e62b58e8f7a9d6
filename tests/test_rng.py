"""Named random streams. The seeds below are frozen: shipped weights and data were drawn from them."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmunl.rng import Streams, isolated

GOLDEN = [
    (Streams(0), 10175713650855397948),
    (Streams(1), 113644149268946475),
    (Streams(0, ("a",)), 5774001852896487498),
    (Streams(0, ("a", "b")), 11658448487187297628),
    (Streams(0, ("ab",)), 6632321858246931237),
    (Streams(7).child("imprint", "gold"), 4362795035880531921),
    (Streams(2**40, ("\u00e9",)), 7897497255418636667),
    (Streams(-1, ("x",)), 9951686060827221304),
]


@pytest.mark.parametrize(("streams", "seed"), GOLDEN)
def test_seeds_never_change(streams: Streams, seed: int) -> None:
    assert streams.seed64() == seed


def test_first_draws_never_change() -> None:
    assert Streams(3, ("o",)).python().random() == 0.5337409886386879
    assert Streams(3, ("o",)).numpy().random() == 0.896571482598314


def test_a_child_of_a_child_is_the_child_of_both() -> None:
    assert Streams(5).child("a", "b") == Streams(5).child("a").child("b")
    assert Streams(5).child() == Streams(5)


@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63), st.lists(st.text('ab/,"[]', max_size=3), max_size=3)),
        min_size=2,
        max_size=6,
        unique_by=repr,
    )
)
@settings(max_examples=60, deadline=None)
def test_different_places_have_different_seeds(places: list[tuple[int, list[str]]]) -> None:
    seeds = {Streams(seed, tuple(path)).seed64() for seed, path in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_a_draw_in_one_stream_moves_no_other() -> None:
    streams = Streams(1)
    alone = streams.child("b").python().random()
    streams.child("a").python().random()
    assert streams.child("b").python().random() == alone


def test_every_call_starts_the_stream_anew() -> None:
    streams = Streams(1, ("x",))
    assert streams.python().random() == streams.python().random()
    assert streams.numpy().random() == streams.numpy().random()


def test_isolated_seeds_and_restores_the_global_generators() -> None:
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    with isolated(Streams(4)):
        first = random.random(), np.random.rand()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    random.seed(99)
    np.random.seed(99)
    with isolated(Streams(4)):
        assert (random.random(), np.random.rand()) == first


def test_isolated_restores_after_an_error() -> None:
    before = random.getstate()
    with pytest.raises(KeyboardInterrupt), isolated(Streams(4)):
        raise KeyboardInterrupt
    assert random.getstate() == before


def test_importing_loads_neither_numpy_nor_torch() -> None:
    code = (
        "import sys, vlmunl.rng, vlmunl.stage, vlmunl.store, vlmunl.stages.declared;"
        "print([m for m in ('torch', 'numpy', 'transformers', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
