"""The choice among trials: by the tuning people alone, never below the utility floor, and without training anew."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.metrics.worlds import line
from vlmunl.errors import MissingInput, StudyError
from vlmunl.rng import Streams
from vlmunl.stage_types import Context
from vlmunl.stages.configs import SelectConfig
from vlmunl.stages.select import Verdict, choose, run
from vlmunl.store import tree_ref_of_directory

ROUTES = ("canonical", "flip")
PEOPLE, FACTS = 4, 5


def rows(right: dict[str, float], utility: float = 1.0, split: str = "tuning") -> list[dict]:
    """On each route the first so many of the facts of each person are right; so are retained and general ones."""
    found = []
    for i in range(PEOPLE):
        for j in range(FACTS):
            found += [line(split, f"t{i}", f"a{j}", route, 0, j < right[route] * FACTS) for route in ROUTES]
            found.append(line("retain", f"r{i}", f"a{j}", "canonical", 0, j < utility * FACTS))
    for group in ("visual", "context", "neighbour"):
        found += [line("general", f"{group}{i}", group, "canonical", 0, i < utility * 10) for i in range(10)]
    return found


def both(value: float) -> dict[str, float]:
    return dict.fromkeys(ROUTES, value)


@pytest.fixture
def select(tmp_path):
    """(trials' rows, **config) -> metrics, choice.json and the paths."""

    def go(trials, imprint=None, gold=None, without=(), **given):
        paths: dict[str, Path] = {}
        tables = {"imprint": imprint or rows(both(1.0)), "gold": gold or rows(both(0.2))}
        tables |= {f"rows{k}": trial for k, trial in enumerate(trials)}
        for name, table in tables.items():
            paths[name] = tmp_path / f"{name}.parquet"
            pq.write_table(pa.Table.from_pylist(table), paths[name])
        for k in range(len(trials)):
            paths[f"adapter{k}"] = tmp_path / f"adapter{k}"
            (paths[f"adapter{k}"] / "deep").mkdir(parents=True, exist_ok=True)
            (paths[f"adapter{k}"] / "deep" / "weights").write_text(f"trial {k}")
        out = tmp_path / "out"
        out.mkdir()
        config = SelectConfig(settings=tuple(f"lr={k}" for k in range(len(trials))), routes=ROUTES, **given)
        kept = {name: path for name, path in paths.items() if name not in without}
        metrics = run(config, Context(out=out, scratch=tmp_path, rng=Streams(0), paths=kept))
        return metrics, json.loads((out / "choice.json").read_text()), paths, out

    return go


def test_the_least_worst_recovery_wins_and_its_adapter_is_handed_on_byte_for_byte(select):
    leaks = {"canonical": 0.2, "flip": 0.8}
    metrics, choice, paths, out = select([rows(leaks), rows(both(0.4)), rows(both(1.0))])
    assert metrics == {
        "trial": 1,
        "trials": 3,
        "settings": "lr=1",
        "score": 0.25,
        "utility": 1.0,
        "acceptable": True,
    }
    assert tree_ref_of_directory(out / "adapter") == tree_ref_of_directory(paths["adapter1"])
    assert [t["score"] for t in choice["trials"]] == [0.75, 0.25, 1.0]  # (0.8 - 0.2) / (1 - 0.2), and so on
    assert choice["trials"][0]["routes"] == {"canonical": 0.0, "flip": 0.75}


def test_the_mean_is_another_rule(select):
    leaks = {"canonical": 0.2, "flip": 0.8}
    trials = [rows(leaks), rows(both(0.6))]
    assert select(trials, score="mean")[0]["trial"] == 0


def test_a_trial_below_the_floor_loses_to_one_that_leaks(select):
    metrics, choice, *_ = select([rows(both(0.2), utility=0.6), rows(both(0.8), utility=0.9)])
    assert metrics["trial"] == 1
    assert [t["acceptable"] for t in choice["trials"]] == [False, True]


def test_where_none_is_useful_the_most_useful_one_is_reported_as_such(select):
    metrics, *_ = select([rows(both(0.2), utility=0.2), rows(both(1.0), utility=0.6)])
    assert (metrics["trial"], metrics["acceptable"]) == (1, False)


def test_refusals_count_against_a_trial(select):
    refusing = [r | {"status": "refusal"} if r["split"] == "retain" else r for r in rows(both(0.2))]
    assert select([refusing, rows(both(0.8))])[0]["trial"] == 1


def test_below_gold_is_no_better_than_gold(select):
    """Both score 0: the first is taken, not the one that was pushed further."""
    metrics, choice, *_ = select([rows(both(0.2)), rows(both(0.0))])
    assert [t["score"] for t in choice["trials"]] == [0.0, 0.0]
    assert metrics["trial"] == 0


def test_a_route_without_headroom_has_no_say(select):
    gold = rows({"canonical": 0.2, "flip": 1.0})
    _, choice, *_ = select([rows(both(0.6)), rows(both(0.4))], gold=gold)
    assert [list(t["routes"]) for t in choice["trials"]] == [["canonical"]] * 2


def test_no_route_with_headroom_is_an_error_that_says_how_much_there_is(select):
    with pytest.raises(StudyError, match=r"headroom on the tuning people is 0\.00, and 0\.20 is needed"):
        select([rows(both(0.6)), rows(both(0.4))], gold=rows(both(1.0)))


def test_a_missing_trial_is_an_error(select):
    with pytest.raises(MissingInput, match="2 trials, and no adapter1"):
        select([rows(both(0.6)), rows(both(0.4))], without=("adapter1",))


def test_rows_of_reported_people_have_no_say(select):
    """The same trials, with people of the report beside them who would turn the choice around."""
    reported = [rows(both(1.0), split="forget"), rows(both(0.0), split="forget")]
    trials = [[*rows(both(0.4)), *reported[0]], [*rows(both(0.8)), *reported[1]]]
    assert select(trials)[0]["trial"] == 0


def test_ties_go_to_utility_and_then_to_the_first():
    def trial(score, utility, acceptable=True):
        return Verdict(
            settings="", score=score, utility=utility, refusal_invalid_retain=0.0, acceptable=acceptable, routes={}
        )

    assert choose([trial(0.1, 0.9), trial(0.1, 0.95), trial(0.1, 0.95)]) == 1
    assert choose([trial(0.0, None, False), trial(0.5, 0.1, False)]) == 1
