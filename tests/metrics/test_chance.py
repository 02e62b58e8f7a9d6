"""Chance in the place of gold: hand-computed recoveries, the gate's headroom, and what the pages say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.metrics.worlds import World, line, routes
from vlmunl.latex.macros import numbers_tex
from vlmunl.latex.read import parse_results
from vlmunl.latex.terminal import notes
from vlmunl.manifests.gate import gate_verdict
from vlmunl.metrics.chance import NO_PLACEBO, SCALE, guess, without_placebo
from vlmunl.metrics.evidence import read_evidence
from vlmunl.metrics.results import results
from vlmunl.metrics.rows import read_rows
from vlmunl.metrics.summary import summary
from vlmunl.routes.route import Route
from vlmunl.stages.configs import GatePolicy
from vlmunl.stages.tables import tables_of

ROWS = ("base", "imprint", "npo")
OPTIONS = {"canonical": 0.0, "mcq": 0.25, "truefalse": 0.5}
PEOPLE = [f"f{i:02d}" for i in range(10)]


def _lines(right, split="forget", people=PEOPLE):
    """One item per person; `right` gives the score of (route, person's number)."""
    return [
        {**line(split, person, "a", route, 0, True), "score": right(route, i)}
        for i, person in enumerate(people)
        for route in OPTIONS
    ]


@pytest.fixture
def document(tmp_path):
    """npo answers mcq rightly for 7 of 10 people, true/false for 8, the canonical question for 2."""
    hits = {"canonical": 2, "mcq": 7, "truefalse": 8}
    kept = _lines(lambda r, i: 1.0, "retain", [f"r{i}" for i in range(5)])
    kept += [line("general", f"{g}{i}", g, "canonical", 0, True) for g in ("visual", "context") for i in range(9)]
    cells = {
        "eval/base": [*_lines(lambda r, i: float(i < 10 * OPTIONS[r])), *kept],
        "eval/chance": [{**row, "logp": None, "tokens": None} for row in _lines(lambda r, i: OPTIONS[r])],
        "eval/imprint/seed0": [*_lines(lambda r, i: 1.0), *kept],
        "eval/npo/seed0": [*_lines(lambda r, i: float(i < hits[r])), *kept],
        "gate/seed0": [
            {**line("forget", person, "a", f"{kind}_{form}", v, True), "score": score, "model": model}
            for person in PEOPLE
            for form, zero in (("open", 0.0), ("mcq", 0.25), ("truefalse", 0.5))
            for model, score in (("imprint", 1.0), ("chance", zero))
            for kind, count in (("gate", 4), ("canonical", 1))
            for v in range(count)
        ],
    }
    paths = {}
    for name, lines in cells.items():
        paths[name] = tmp_path / f"{name.replace('/', '_')}.parquet"
        pq.write_table(pa.Table.from_pylist(lines), paths[name])
    listed = [{"cell": n, "stage": n.partition("/")[0], "status": "verified", "reason": "", "key": "0"} for n in cells]
    manifest = {"schema": 1, "study": "made", "seeds": [0], "cells": listed, "catalogue": "c" * 32}
    (tmp_path / "run_manifest.json").write_text(json.dumps(manifest))
    world = World(route_ids=tuple(OPTIONS))
    config = world.config(ROWS, {"one": "npo.wcr.plug_in > 0"}, calibration="chance", held_out=())
    config = replace(config, checkpoints={"imprint": "there/vanilla"})
    tables = {n: read_rows(p, ("model",) if n.startswith("gate") else ()) for n, p in paths.items()}
    return results(config, read_evidence(Path(tmp_path / "run_manifest.json")), routes(world.route_ids), tables)


def _row(document, name):
    return next(row for row in document["rows"] if row["name"] == name)


def test_recovery_is_measured_from_the_guess_rate_of_each_format(document):
    routes = _row(document, "npo")["routes"]
    assert routes["canonical"]["rho"] == pytest.approx(0.2)
    assert routes["mcq"]["rho"] == pytest.approx((0.7 - 0.25) / (1 - 0.25), abs=1e-6)
    assert routes["truefalse"]["rho"] == pytest.approx((0.8 - 0.5) / (1 - 0.5), abs=1e-6)
    assert {r["id"]: r["headroom"]["estimate"] for r in document["routes"]} == {
        name: pytest.approx(1 - zero) for name, zero in OPTIONS.items()
    }
    assert _row(document, "imprint")["wcr"]["plug_in"] == pytest.approx(1.0)
    gate = document["seeds"][0]["gate"]
    assert {name: part["headroom"]["estimate"] for name, part in gate.items()} == {
        "open": 1.0, "mcq": 0.75, "truefalse": 0.5
    }  # fmt: skip


def test_there_is_no_gold_no_placebo_and_nothing_that_would_need_them(document):
    assert [row["name"] for row in document["rows"]] == list(ROWS)
    npo = _row(document, "npo")
    assert npo["retain_did"] is None
    assert npo["identity_wcr"] is None
    assert document["detectable"] is None
    assert npo["named"]["forget_gold_ratio"] is None
    assert npo["named"]["mia_gold_gap"] is None
    assert npo["named"]["forget_ratio"] is not None


def test_every_page_says_so_in_words(document):
    assert document["calibration"] == "chance"
    page, read = summary(document), parse_results(document)
    assert SCALE in page
    assert NO_PLACEBO in page
    assert "there/vanilla" in page
    assert "over chance" in page
    for name, table in tables_of(read).items():
        assert "calibrated by chance" in table.title, name
        assert ("calibration", "chance") in table.constants
        if name in ("main", "routes"):
            assert any(SCALE in note for note in table.background)
            assert any(NO_PLACEBO in note for note in table.notes)
            assert any("there/vanilla" in note for note in table.notes)
    assert [row[0].text for row in tables_of(read)["main"].groups[0].rows] == ["base", "imprint"]
    said = " ".join(notes(read))
    assert SCALE in said
    assert NO_PLACEBO in said
    assert "there/vanilla" in said
    assert "{calibration}{chance}" in numbers_tex(read)


def test_a_claim_rests_on_base_alone_and_says_so(document):
    claim = document["claims"][0]
    assert _row(document, "base")["verdict"] == "covers 0"
    assert claim["supported"] is True
    assert claim["reason"] == "no placebo control exists"


def test_a_study_with_gold_says_nothing_of_this(aggregate):
    document = aggregate(World(), ("base", "imprint", "gold", "placebo", "npo"))
    assert "calibration" not in document
    assert "checkpoints" not in document
    assert "by chance" not in summary(document)
    assert NO_PLACEBO not in summary(document)


def test_a_guess():
    assert [guess("open"), guess("cloze"), guess("truefalse"), guess("mcq", ("a", "b", "c"))] == [0, 0, 0.5, 1 / 3]


@pytest.mark.parametrize(
    ("calibration", "given", "without"),
    [
        ("chance", (), True),
        ("gold", (), False),
        ("gold", ("imprint",), False),
        ("gold", ("imprint", "gold"), True),
        ("gold", ("imprint", "gold", "placebo"), False),
    ],
)
def test_when_there_is_no_placebo(calibration, given, without):
    assert without_placebo(calibration, given) is without


def test_the_gates_headroom_is_that_over_chance():
    measured = {"n": 4, "hits": {key: [4] for key in PEOPLE}, "canonical_imprint": {key: [1.0] for key in PEOPLE}}
    over = {"mcq": 0.25, "open": 0.0}
    formats = {f: {**measured, "canonical_chance": {key: [zero] for key in PEOPLE}} for f, zero in over.items()}
    verdict = gate_verdict({"formats": formats}, GatePolicy())
    assert verdict.passed
    assert verdict.formats["mcq"].headroom == 0.75
    assert verdict.formats["open"].headroom == 1.0


def test_the_chance_of_a_question_follows_its_options_and_how_often_it_is_asked(benchmark_small):
    pytest.importorskip("torch")
    from vlmunl.routes.questions import questions
    from vlmunl.stages.chance import chance_of

    def of(form, decoding="greedy"):
        route = Route(id="r", family="f", modality="textual", description="", source="", format=form, decoding=decoding)
        return {chance_of(q) for q in questions(route, benchmark_small.forget[0], ())}

    assert of("open") == of("cloze") == of("open", "sample:8:1.0") == {0.0}
    assert of("mcq") == of("mcq", "beam:4") == {0.25}
    assert of("truefalse") == {0.5}
    assert of("mcq", "sample:2:1.0") == {1 - 0.75**2}
    assert of("open", "min_k:20") == {0.5}
    facts = benchmark_small.forget[0].facts
    assert of("open", "rank") == {1 / (1 + len(fact.distractors)) for fact in facts}
