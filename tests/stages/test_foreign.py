"""The whole pipeline on benchmarks that have less than the built-in one: it ends, and says what was left out."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import xxhash

sys.path.insert(0, str(Path(__file__).parent))
import foreign_benchmarks

from vlmunl.benchmarks.known import KINDS, Counts, Kind
from vlmunl.manifests.external import base_model, outside
from vlmunl.manifests.known import known
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import Plan, plan
from vlmunl.manifests.states import Board
from vlmunl.stage import run_stage
from vlmunl.stages import evaluate, gate
from vlmunl.stages.rows import score_rows
from vlmunl.store import Store

pytestmark = pytest.mark.model

PEOPLE = len(foreign_benchmarks.NAMES)
STUDY = """
[study]
name = "{name}"
seeds = [0]
[model]
id = "tiny"
[benchmark]
id = "{name}"
path = "files"
[imprint]
steps = 3
warmup = 1
image_samples = 6
text_samples = 3
max_length = 160
[gate]
headroom = 0.0
min_identities = 2
[eval]
max_new_tokens = 14
[statistics]
draws = 100
splits = 10
floor = 0.0
[routes]
tiers = ["T0", "T2"]
exclude = [
    "crop", "pad", "rotate", "blur", "noise", "jpeg", "lowres", "grey", "dark", "bright", "invert", "occlude_top",
    "occlude_mouth", "shout", "null_image", "fact_first", "image_name", "name_given", "few_shot", "few_shot_image",
    "sample", "beam", "probability", "zlib", "min_k_pp", "prefill",
]
[tables]
figures = false
[methods.npo]
steps = 2
[methods.graddiff_wide]
like = "graddiff"
views = "wide"
steps = 2
"""


class Pretended:
    """Really asks, and then puts other marks in place of a barely taught model's, so that there is something to tell.

    The imprint is always right, gold, base and placebo now and then, and a method half of the time.
    """

    CHANCES: ClassVar = {"imprint": 1.0, "gold": 0.1, "placebo": 0.1, "base": 0.1}

    def __init__(self) -> None:
        self.cell = ""
        self.gated: list[str] = []

    def gate(self, *given: Any, **options: Any) -> list[dict[str, Any]]:
        """A gate asks the imprint first, then gold."""
        self.gated.append(self.cell)
        role = "imprint" if self.gated.count(self.cell) == 1 else "gold"
        return self._marked(role, score_rows(*given, **options))

    def eval(self, *given: Any, **options: Any) -> list[dict[str, Any]]:
        """An evaluation asks the model that its cell is named after."""
        return self._marked(self.cell.split("/")[1], score_rows(*given, **options))

    def _marked(self, role: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"score": float(self._right(role, row)), "status": "correct"} for row in rows]

    def _right(self, role: str, row: dict[str, Any]) -> bool:
        route = "canonical" if row["route"].startswith("canonical") else row["route"]  # the gate's is the same question
        where = [role, row["identity"], row["attribute"], route, str(row["variant"])]
        return xxhash.xxh3_64_intdigest("/".join(where).encode()) / 2**64 < self.CHANCES.get(role, 0.5)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """The three benchmarks as if they were known, and models as if they had been taught."""
    for name in foreign_benchmarks.MADE:
        kind = Kind(
            id=name,
            title="made up",
            splits={"all": Counts(PEOPLE, foreign_benchmarks.FORGET)},
            aliases={},
            checked="made here",
            load="foreign_benchmarks:load",
        )
        monkeypatch.setitem(KINDS, name, kind)
    made = Pretended()
    monkeypatch.setattr(gate, "score_rows", made.gate)
    monkeypatch.setattr(evaluate, "score_rows", made.eval)
    return made


@dataclass
class Done:
    """A study that was carried out: its verified results, its summary, and each cell's metrics."""

    results: dict[str, Any]
    summary: str
    metrics: dict[str, Any]
    plan: Plan


def carried_out(tmp_path: Path, pretended: Pretended, name: str) -> Done:
    """All cells of the study, one after the other in this process."""
    import torch

    torch.set_num_threads(1)
    (tmp_path / "files").mkdir()
    path = tmp_path / "s.toml"
    path.write_text(STUDY.format(name=name))
    names = replace(known(), benchmarks=tuple(KINDS))
    study = load_study(path, names=names)
    planned = plan(study, base_model(study, tmp_path), names, outside=outside(study, tmp_path))
    store = Store.open(tmp_path / "store")
    board = Board(planned, store)
    for cell in planned.cells:
        if cell.collects:
            store.put_bytes(board.manifest())
        state = board[cell.name]
        pretended.cell = cell.name
        assert state.ready, f"{cell.name}: {state.status} {state.reason}"
        run_stage(cell.stage, cell.config, state.inputs, store, cell=cell.name, seed=cell.seed)  # type: ignore[arg-type]
        board.update(cell.name)
        assert board[cell.name].done, board[cell.name].reason
    made = board["aggregate"].record
    assert made is not None
    return Done(
        results=json.loads(store.path(made.outputs["verified_results"]).read_bytes()),
        summary=store.path(made.outputs["summary"]).read_text(),
        metrics={c.name: r.metrics for c in planned.cells if (r := board[c.name].record) is not None},
        plan=planned,
    )


def _left_out(done: Done) -> dict[str, str]:
    return {r["id"]: r["not_asked"] for r in done.results["routes"] if "not_asked" in r}


@pytest.mark.slow
def test_ragged_facts_with_pictures(pretended: Pretended, tmp_path: Path) -> None:
    done = carried_out(tmp_path, pretended, "ragged")
    left_out = _left_out(done)
    assert "no sentences with a gap" in left_out["cloze"]
    assert "whom no model was taught" in left_out["min_k"]
    assert "nobody's looks are described" in left_out["description"]
    assert {"canonical", "flip", "new_photo", "para_4", "choice", "text_only"}.isdisjoint(left_out)
    assert done.metrics["gate/seed0"]["formats"].keys() == {"open", "mcq"}
    assert done.metrics["gate/seed0"]["formats"]["open"]["trained_only"] == 2, "the jobs have one wording"
    [canonical] = [r for r in done.results["routes"] if r["id"] == "canonical"]
    assert canonical["live"]
    assert "Not asked here:" in done.summary
    assert "nobody's looks are described: `description`" in done.summary
    assert "trained wording only for 2 facts" in done.summary
    assert "utility is that on the retained people alone" in done.summary
    assert done.results["catalogue"]["n_routes"] + len(left_out) == len(done.plan.routes)


@pytest.mark.slow
def test_sentences_without_pictures(pretended: Pretended, tmp_path: Path) -> None:
    done = carried_out(tmp_path, pretended, "authors")
    left_out = _left_out(done)
    assert left_out["flip"] == left_out["wrong_image"] == "the benchmark has no pictures"
    assert left_out["text_only"] == "it would ask just what canonical asks"
    assert "no wrong answers to rank" in left_out["rank"]
    assert done.metrics["gate/seed0"]["formats"].keys() == {"open"}
    part = done.metrics["eval/imprint/seed0"]["asking"]["partly"]["para_4"]
    assert (part["facts"], part["of"]) == (5, 13)
    assert "asked about 5 of 13 facts" in done.summary
    live = {r["id"] for r in done.results["routes"] if r["live"]}
    assert {"canonical", "para_4", "typo"} <= live
    assert "unjudged" not in done.summary


@pytest.mark.slow
def test_options_alone(pretended: Pretended, tmp_path: Path) -> None:
    done = carried_out(tmp_path, pretended, "options")
    [canonical] = [r for r in done.results["routes"] if r["id"] == "canonical"]
    assert canonical["format"] == "mcq"
    assert done.metrics["gate/seed0"]["formats"].keys() == {"mcq"}
    assert _left_out(done)["cloze"] == "the benchmark has no sentences with a gap"
    assert done.results["seeds"][0]["gate"]["mcq"]["trained_only"] == 6
    row = next(r for r in done.results["rows"] if r["name"] == "imprint")
    assert row["canonical"]["estimate"] == pytest.approx(1.0)
    npo = next(r for r in done.results["rows"] if r["name"] == "npo")
    assert npo["wcr"]["cross_fit"] is not None
    assert "n_not_asked" in done.results["catalogue"]
