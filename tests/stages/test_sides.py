"""Who is asked what: reported and tuning people share nobody, and strangers are asked the canonical question alone."""

from __future__ import annotations

import pytest

from vlmunl.errors import StudyError
from vlmunl.routes.catalogue import CATALOGUE, catalogue_hash
from vlmunl.stages import declared, sides
from vlmunl.stages.configs import EvalConfig

pytestmark = pytest.mark.model
ROUTES = ("canonical", "flip")


@pytest.fixture(scope="module")
def people(world):
    from vlmunl.benchmarks import schema

    return schema.load(world.store.path(world.benchmark))


@pytest.fixture(scope="module")
def asked(world):
    """side -> the rows of an evaluation of the base model, one of the two people to forget being set aside."""

    def run(side, routes=ROUTES):
        import pyarrow.parquet as pq

        config = EvalConfig(
            routes=routes, catalogue=catalogue_hash(CATALOGUE[r] for r in routes), tuning=1, side=side, max_new_tokens=1
        )
        record = world.run(declared.EVAL, config, {"base": world.base, "benchmark": world.benchmark})
        return pq.read_table(world.store.path(record.outputs["rows"])).to_pylist()

    return {side: run(side) for side in ("report", "tuning")} | {"flip": run("report", ("flip",))}


def of(rows, split, column="identity"):
    return {row[column] for row in rows if row["split"] == split}


def test_the_two_sides_share_nobody_and_no_general_item(asked, people):
    report, tuning = asked["report"], asked["tuning"]
    everybody = {i.id for i in people.forget}
    assert of(report, "forget") | of(tuning, "tuning") == everybody
    assert not of(report, "forget") & of(tuning, "tuning")
    assert not of(report, "tuning") | of(tuning, "forget")
    for split in ("retain", "general"):
        assert of(report, split)
        assert of(tuning, split)
        assert not of(report, split) & of(tuning, split)


def test_together_they_ask_every_general_item(asked, people):
    assert sum(len(of(rows, "general")) for rows in (asked["report"], asked["tuning"])) == len(people.general)


def test_strangers_are_asked_the_canonical_question_alone_and_only_for_the_report(asked, people):
    assert of(asked["report"], "unseen") == {i.id for i in people.unseen}
    assert of(asked["report"], "unseen", "route") == {"canonical"}
    assert not of(asked["tuning"], "unseen")
    assert not of(asked["flip"], "unseen")


def test_rows_count_the_tokens_of_the_right_answer(asked):
    assert all(row["tokens"] >= 1 for rows in asked.values() for row in rows)


def test_without_tuning_everybody_is_reported(people):
    side = sides.people(people, 0)
    assert (side.forget, side.controls, side.unseen) == (people.forget, people.controls, people.unseen)
    assert len(list(sides.general(people, 0))) == len(people.general)


@pytest.mark.parametrize("tuning", [2, 4])
def test_too_many_set_aside_is_refused(people, tuning):
    with pytest.raises(StudyError, match="cannot be set aside for tuning"):
        sides.people(people, tuning)
