"""From cells to jobs: as few as can be, each waiting for all that it needs and for nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from vlmunl.cluster import groups as grouping
from vlmunl.cluster.groups import Upstream, groups
from vlmunl.cluster.specs import specs
from vlmunl.keys import digest_bytes
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.stage_types import External
from vlmunl.store import Ref

BASE = External(ref=Ref.of(digest_bytes(b"base"), "tree"), path=Path("base"))
PLAIN = """
[study]
name = "s"
seeds = [0, 1]
[model]
id = "base"
[methods.ga]
[methods.npo]
[methods.retrain]
"""
RICH = (
    PLAIN
    + """
[methods.tuned]
like = "graddiff"
[methods.sparse]
terms = [{ loss = "ga" }]
before = [{ edit = "dampen" }]
[tuning]
budget = 3
[tuning.grid.tuned]
lr = [0.01, 0.02, 0.03, 0.04]
[attacker]
budget = 5
[meta]
stops = [0.5]
[routes]
tiers = ["T0", "T4"]
held_out = ["few_shot"]
"""
)


@pytest.fixture
def planned(tmp_path):
    def made(text=PLAIN, *sets):
        path = tmp_path / "s.toml"
        path.write_text(text)
        return plan(load_study(path, sets), BASE)

    return made


def lines(made):
    """`unlearn-seed0 [0-2] afterok gate-seed0` of each group."""

    def place(p):
        return p.job if p.index is None else f"{p.job}_{p.index}"

    found = []
    for group in made:
        parts = [group.name, f"[{group.indices}]" if group.is_array else group.cells[0][1]]
        parts += ["ok", *map(place, group.ok)] if group.ok else []
        parts += ["corr", *group.corr] if group.corr else []
        found.append(" ".join(parts + (["any"] if group.any else [])))
    return found


def test_a_plain_study(planned):
    study = planned()
    made = groups(study, [c.name for c in study.cells], {})
    assert [line for line in lines(made) if "seed1" not in line] == [
        "data data",
        "eval eval/base ok data",
        "imprint-seed0 [0-2] ok data",
        "gate-seed0 gate/seed0 ok imprint-seed0_0 imprint-seed0_1",
        "eval-seed0 [0-1] ok gate-seed0",
        "eval-seed0-2 eval/placebo/seed0 ok gate-seed0 imprint-seed0_2",
        "unlearn-seed0 [0-2] ok gate-seed0",
        "eval-seed0-3 [0-2] corr unlearn-seed0",
        "aggregate aggregate any",
        "tables tables ok aggregate",
    ]
    assert set(made[-2].any) == {group.name for group in made[:-2]}


def test_lanes_keep_the_index_of_what_they_wait_for(planned):
    study = planned()
    queued = {f"unlearn/{m}/seed0": Upstream("71", i) for m, i in (("ga", 4), ("npo", 7), ("retrain", 5))}
    made = groups(study, ["eval/ga/seed0", "eval/npo/seed0", "eval/retrain/seed0"], queued)
    assert lines(made) == ["eval-seed0 [4-5,7] corr 71"]
    assert dict(made[0].cells) == {4: "eval/ga/seed0", 7: "eval/npo/seed0", 5: "eval/retrain/seed0"}


def test_one_cell_is_no_array(planned):
    made = groups(planned(), ["eval/npo/seed0"], {"unlearn/npo/seed0": Upstream("71", 7)})
    assert lines(made) == ["eval-seed0 eval/npo/seed0 ok 71_7"]


def test_arrays_are_cut_at_the_largest_and_their_followers_with_them(planned, monkeypatch):
    monkeypatch.setattr(grouping, "LARGEST", 2)
    study = planned()
    cells = [f"{stage}/{m}/seed0" for m in ("ga", "npo", "retrain") for stage in ("unlearn", "eval")]
    assert lines(groups(study, cells, {})) == [
        "unlearn-seed0 [0-1]",
        "unlearn-seed0-2 unlearn/retrain/seed0",
        "eval-seed0 [0-1] corr unlearn-seed0",
        "eval-seed0-2 eval/retrain/seed0 ok unlearn-seed0-2",
    ]


@pytest.mark.parametrize("text", [PLAIN, RICH], ids=["plain", "rich"])
@pytest.mark.parametrize("draw", range(6))
def test_a_task_waits_for_all_it_needs_and_for_nothing_else(planned, text, draw):
    """Whatever is missing and whatever is queued already."""
    study, rng = planned(text), random.Random(draw)
    names = [cell.name for cell in study.cells]
    share = (1.0, 0.8, 0.5)[draw % 3]
    wanted = {name for name in names if rng.random() < share}
    others = [name for name in names if name not in wanted and rng.random() < 0.5]
    queued = {name: Upstream(str(100 + i // 3), i % 3) for i, name in enumerate(others)}
    made = groups(study, wanted, queued)
    done = [cell for group in made for _, cell in group.cells]
    assert sorted(done) == sorted(wanted)
    waits = told(made, queued)
    above = ancestors(study)
    for name in wanted:
        cell = study.by_name[name]
        reached = closure(name, waits, above)
        pending = {n for n in cell.needs if n in wanted or n in queued}
        assert pending <= reached, name
        assert waits[name] <= above[name], f"{name} would be blocked by {waits[name] - above[name]}"
    for i, group in enumerate(made):
        before = {other.name for other in made[:i]} | {place.job for place in queued.values()}
        assert {place.job for place in group.ok} | set(group.corr) | set(group.any) <= before
        assert len({index for index, _ in group.cells}) == len(group.cells)


def told(made, queued):
    """Cell -> the cells whose jobs it is told to wait for (`afterok`, `aftercorr`)."""
    at = {(place.job, place.index): name for name, place in queued.items()}
    at |= {(group.name, index): cell for group in made for index, cell in group.cells}
    tasks = {}
    for (job, _), cell in at.items():
        tasks.setdefault(job, []).append(cell)
    waits = {}
    for group in made:
        for index, cell in group.cells:
            found = set()
            for place in group.ok:
                found |= set(tasks[place.job]) if place.index is None else {at[place.job, place.index]}
            waits[cell] = found | {at[job, index] for job in group.corr}
    return waits


def ancestors(study):
    above = {}
    for cell in study.cells:
        above[cell.name] = set(cell.needs).union(*(above[name] for name in cell.needs))
    return above


def closure(name, waits, above):
    """What has ended well when the cell starts; a queued job waited for its own needs when it was submitted."""
    found, queue = set(), [name]
    while queue:
        current = queue.pop()
        new = waits[current] if current in waits else above[current]
        queue += [n for n in new if n not in found]
        found |= new
    return found


def test_specs_follow_what_is_upstream_and_nothing_else(planned):
    before = specs(planned())
    after = specs(planned(PLAIN, "methods.ga.lr=0.5"))
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {"unlearn/ga/seed0", "unlearn/ga/seed1", "eval/ga/seed0", "eval/ga/seed1", "aggregate", "tables"}
    assert specs(planned()) == before
    assert len(set(before.values())) == len(before)
    resources = specs(planned(PLAIN + "[slurm]\ngpus = 1\n"))
    assert {name for name in before if before[name] != resources[name]} == {"aggregate", "tables"}, "the file's hash"
