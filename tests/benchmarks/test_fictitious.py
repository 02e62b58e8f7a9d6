"""The built-in people: reproducible, disjoint, balanced, and unknown to the embedded model by construction."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmunl.benchmarks import schema
from vlmunl.benchmarks.fictitious import build
from vlmunl.benchmarks.people import base_people, study_people
from vlmunl.benchmarks.schema import Benchmark
from vlmunl.errors import MissingInput
from vlmunl.stages.configs import DataConfig


def test_same_seed_same_bytes(tmp_path: Path, benchmark_small: Benchmark) -> None:
    for name in ("a", "b"):
        schema.save(build(DataConfig(people=6, forget=2, photos=5)), tmp_path / name)
    schema.save(build(DataConfig(people=6, forget=2, photos=5, seed=1)), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_round_trip(tmp_path: Path, benchmark_small: Benchmark) -> None:
    schema.save(benchmark_small, tmp_path / "x.parquet")
    assert schema.load(tmp_path / "x.parquet") == benchmark_small


def test_study_people_are_not_base_people() -> None:
    known, study = base_people(), study_people(48, 0)
    assert not {p.name.split()[0] for p in known} & {p.name.split()[0] for p in study}
    assert not {p.look for p in known} & {p.look for p in study}


def test_default_size() -> None:
    benchmark = build(DataConfig())
    assert (len(benchmark.forget), len(benchmark.retain), len(benchmark.controls)) == (16, 32, 8)
    assert not {i.id for i in benchmark.forget} & {i.id for i in benchmark.retain}
    assert all(len(i.facts) == 6 and len(i.photos) == 8 for i in benchmark.identities)


def test_every_fact_has_four_trained_and_four_held_wordings_of_each_format(benchmark_small: Benchmark) -> None:
    for identity in benchmark_small.identities:
        for fact in identity.facts:
            for form in ("open", "cloze", "mcq", "truefalse"):
                for held in (False, True):
                    assert len({p.text for p in fact.of(form, held=held)}) == 4  # type: ignore[arg-type]


def test_replay_and_general_name_no_study_person(benchmark_small: Benchmark) -> None:
    names = {i.name for i in benchmark_small.identities}
    said = " ".join(q + " " + a for chat in benchmark_small.replay for q, a in chat.turns)
    asked = " ".join(item.question for item in benchmark_small.general)
    assert not [n for n in names if n in said or n in asked]


@pytest.mark.parametrize(
    "config",
    [DataConfig(people=4, forget=4), DataConfig(people=4, forget=1, photos=3), DataConfig(people=500, forget=1)],
)
def test_numbers_that_do_not_fit(config: DataConfig) -> None:
    with pytest.raises(ValueError, match=r"must lie between|held back|only"):
        build(config)


def test_a_file_that_is_no_benchmark(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"not parquet")
    with pytest.raises(MissingInput, match="not a benchmark file"):
        schema.load(tmp_path / "x")
