"""The report's file: self-contained, escaped, the same bytes again, and its numbers are those of the results."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.report.conftest import EVIL, Page
from vlmunl.report.answers import Answer, Answers, Item
from vlmunl.report.asked import Asked
from vlmunl.report.examples import choose
from vlmunl.report.make import report
from vlmunl.report.page import safe_json
from vlmunl.routes.asking import Asking
from vlmunl.routes.pictures import Pictures
from vlmunl.trail.names import index_of, resolve
from vlmunl.trail.origin import open_origin
from vlmunl.trail.sources import Sources
from vlmunl.trail.spellings import spellings

pytestmark = pytest.mark.model  # the wordings of the routes load torch


@pytest.fixture(scope="module")
def origin(finished):
    return open_origin(finished.store, finished.workspace.results("small"), "small")


def _part(page, name):
    held = next(text for attributes, text in page.scripts if attributes.get("id") == page.data["parts"][name])
    return json.loads(zlib.decompress(base64.b64decode(held)))


# ------------------------------------------------------------------------------------ one closed file


def test_nothing_that_is_said_becomes_an_element(page):
    outside = [a for tag, a in page.elements if a.get("src") or a.get("onerror") or a.get("onload")]
    assert outside == []
    kinds = [(a.get("type"), a.get("id")) for a, _ in page.scripts]
    assert [kind for kind, _ in kinds].count(None) == 1  # the page's own script; all others hold data
    assert {kind for kind, _ in kinds} == {None, "application/json", "text/plain"}
    assert EVIL in page.text  # the label and the reason, as text


def test_the_policy_allows_the_two_scripts_and_no_request(page):
    allowed = re.search(r"script-src ([^;]*)", page.policy).group(1).split()
    own = next(text for attributes, text in page.scripts if not attributes)
    library = zlib.decompress(base64.b64decode(next(t for a, t in page.scripts if a.get("id") == "library")))
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(t).digest()).decode()}'" for t in (own.encode(), library)]
    assert allowed == hashes
    assert page.policy.startswith("default-src 'none';")
    assert "img-src data:;" in page.policy
    assert not re.search("connect-src|http|\\*|unsafe-eval|script-src[^;]*unsafe-inline", page.policy)


def test_links_stay_on_the_page(page):
    links = [a["href"] for _, a in page.elements if "href" in a]
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)


def test_json_in_a_script_cannot_end_it_and_is_unchanged():
    value = {"a": f"{EVIL} <!-- \u2028 & 'é'"}
    text = safe_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_the_same_results_give_the_same_bytes(finished, made, tmp_path):
    again = report("small", finished.workspace, finished.store, tmp_path / "other.html", 4, 10_000)
    assert again.html == made.html
    assert again.changed
    assert not report("small", finished.workspace, finished.store, tmp_path / "other.html", 4, 10_000).changed


# ------------------------------------------------------------------------------------------- numbers


def test_every_figure_is_that_of_the_results_and_traces_to_the_same_cells(page, origin):
    document, index = origin.document, index_of(spellings(origin.document, origin.parsed))
    sources = Sources(document, origin.cells)
    cells = [record["cell"] for record in page.data["records"]]
    assert cells == list(origin.cells)
    figures = page.data["figures"]
    assert {"npo.wcr", "npo.canonical", "gold.utility", "seeds.0.gate.open.headroom", "claims.worse.supported"} <= set(
        figures
    )
    for name, (value, low, high, at) in figures.items():
        target = resolve(name, document, index, "")  # what `vlmunl trace small NAME` would show
        assert target.value == value, name
        assert (target.low, target.high) == (low, high) or low is None, name
        uses = {cells[i]: part for i, part in page.data["sources"][at]}
        assert uses == sources.of(target.path), name


def test_every_number_of_the_page_says_where_it_comes_from(page):
    asked = [a["data-f"] for _, a in page.elements if "data-f" in a]
    assert len(asked) > 20
    assert set(asked) <= set(page.data["figures"])


def test_records_name_keys_and_objects_and_no_person_or_place(page, origin, finished):
    records = {record["cell"]: record for record in page.data["records"]}
    mine = records["eval/npo/seed0"]
    record = origin.record("eval/npo/seed0")
    assert (mine["key"], mine["record"]) == (record.key, record.name.file)
    ref = record.outputs["rows"]
    assert mine["outputs"] == [["rows", "blob", ref.xxh3, ref.sha256, ref.size]]
    assert ["adapter1", record.inputs["adapter1"].xxh3, "unlearn/npo/seed0"] in mine["inputs"]
    assert records["eval/npo/seed2"]["status"] == "failed-gate"
    text = json.dumps(page.data["records"])
    assert str(finished.workspace.root) not in text
    assert not {"host", "user", "started", "ended"} & {key for r in page.data["records"] for key in r}


def test_the_answers_of_a_part_are_the_rows_of_its_cell(page, origin):
    items, said = _part(page, "items"), _part(page, "npo/0")
    ref = origin.record("eval/npo/seed0").outputs["rows"]
    rows = [row for row in pq.read_table(origin.store.path(ref)).to_pylist() if row["split"] == "forget"]
    assert len(rows) == len(items["route"]) == page.data["asked"]
    place = {
        (items["people"][p], items["facts"][f], items["routes"][r], v): i
        for i, (p, f, r, v) in enumerate(
            zip(items["person"], items["fact"], items["route"], items["variant"], strict=True)
        )
    }
    letters = {"c": "correct", "i": "incorrect", "r": "refusal", "x": "invalid", "e": "error"}
    for row in rows:
        i = place[row["identity"], row["attribute"], row["route"], row["variant"]]
        assert items["texts"][said["text"][i]] == row["text"]
        assert letters[said["status"][i]] == row["status"]
        assert said["logp"][i] == pytest.approx(100 * row["logp"], abs=0.51)
        assert items["digest"][i] == row["prompt_digest"]
    assert said["score"] == {}  # right or wrong, as the status says


def test_what_counts_is_what_the_gate_keeps(page, origin):
    items = _part(page, "items")
    canonical = items["routes"].index("canonical")
    counted = sum(
        mark == "1" for mark, route in zip(items["counts"]["0"], items["route"], strict=True) if route == canonical
    )
    assert counted == origin.document.tree["n"]["items"]
    assert set(items["counts"]) == {"0"}  # seed 2 failed its gate


def test_curves_are_thinned_to_their_ends(page):
    found = next(curve for curve in page.data["curves"] if curve["cell"] == "unlearn/npo/seed0")
    assert (found["at"][0], found["at"][-1], found["steps"]) == (0, 199, 200)
    assert len(found["at"]) <= 80
    assert found["y"]["forget_nll"][-1] == 99.5


# ------------------------------------------------------------------------------------------ examples


def _said(score, logp):
    return Answer(score, logp, "correct" if score else "incorrect", "x", "p", "", "eval/npo/seed0")


def test_examples_are_the_largest_differences_and_a_fixed_draw():
    items = [Item(f"p{i}", "job", "r", v) for i in range(6) for v in range(2)]
    never = {item: _said(0.0, -5.0) for item in items}
    after = {item: _said(0.0, -4.0) for item in items}
    after[items[3]] = _said(1.0, -1.0)  # p1, variant 1: right, and gold is wrong
    after[items[2]] = _said(1.0, -0.5)  # p1, variant 0: the same, and surer
    after[items[8]] = _said(0.0, -2.0)  # p4: wrong, but nearer than the others
    answers = Answers(tuple(items), {("npo", 0): after, ("gold", 0): never}, len(items))
    kept = {0: frozenset((f"p{i}", "job", "open") for i in range(5))}  # p5 does not count
    shown = choose("npo", "r", [0], answers, kept, "open", 4)
    assert [e.item for e in shown.examples[:2]] == [items[2], items[8]]  # of p1 only one
    assert [e.why for e in shown.examples] == ["largest", "largest", "random", "random"]
    assert shown.of == 10
    assert all(e.item.identity != "p5" for e in shown.examples)
    assert choose("npo", "r", [0], answers, kept, "open", 4) == shown
    assert "4 of 10" in shown.rule
    assert choose("npo", "r", [0], answers, kept, "open", 0).examples == ()


def test_a_picture_is_shown_only_if_it_is_the_one_that_was_sent(benchmark_small):
    asked = Asked(None, ())
    asked.asking = Asking(benchmark_small, (), ())
    person = benchmark_small.forget[0]
    item = Item(person.id, person.facts[0].attribute, "blur", 0)
    pictures = Pictures(benchmark_small.retain)
    at = pictures.of(person, asked.question(item).image)
    uri = asked.picture(item, pictures.digests[at])
    assert uri.startswith("data:image/png;base64,")
    from io import BytesIO

    from PIL import Image

    shown = Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert shown.tobytes() == pictures.image(at).tobytes()
    assert asked.picture(item, "0" * 32) == ""
    assert asked.picture(item, "") == ""
    assert asked.words(item).expected == person.facts[0].answer
    assert asked.words(item).prompt.startswith("user: [picture] ")


def test_a_draw_of_questions_is_said_to_be_one(finished, made, tmp_path):
    some = report("small", finished.workspace, finished.store, tmp_path / "some.html", 2, 50)
    assert (some.shown, some.questions) == (50, made.questions)
    assert len(_part(Page(some.html), "items")["route"]) == 50


# ------------------------------------------------------------------------------------- the command


def test_a_finished_study_exits_with_0_though_a_seed_failed_its_gate(copy, cli, made):
    code, out, _ = cli(copy, "report", "small", "--out", "x.html", "--examples", "4")
    assert code == 0
    assert "x.html: written" in out
    assert (copy / "x.html").read_text() == made.html
    page = Page(made.html)
    assert "failed gate" in page.text
    assert "excluded" in page.text


def test_the_document_tells_what_is_in_the_file(copy, cli):
    code, out, _ = cli(copy, "--json", "report", "small")
    told = json.loads(out)
    assert code == told["exit_code"] == 0
    assert told["file"] == "small-report.html"
    assert told["bytes"] == (copy / "small-report.html").stat().st_size
    assert told["methods"] == 3
    assert told["missing"] == []


def test_a_study_without_results_gets_a_page_that_says_what_to_type(copy, cli):
    (copy / "manifests" / "small" / "verified_results.json").unlink()
    code, out, _ = cli(copy, "report", "small", "--out", "none.html")
    assert code == 4
    assert "vlmunl run small" in out
    html = (copy / "none.html").read_text()
    page = Page(html)
    assert "no results yet" in page.text
    assert "vlmunl run small" in page.text
    assert "script-src 'none'" in page.policy
    assert page.scripts == []


def test_pending_cells_make_it_4_and_stand_at_the_top(finished, origin, tmp_path, monkeypatch):
    from dataclasses import replace

    from vlmunl.report.make import of_results

    cells = [dict(cell) for cell in origin.manifest["cells"]]
    gone = next(cell for cell in cells if cell["cell"] == "unlearn/ga/seed0")
    gone |= {"status": "pending", "reason": "not run yet", "record": None, "outputs": {}}
    made = of_results(replace(origin, manifest={**origin.manifest, "cells": cells}), tmp_path / "x.html", 2, 100)
    assert made.exit_code == 4
    assert made.missing == (("unlearn/ga/seed0", "pending", "not run yet"),)
    assert "Not complete: 1 unlearn pending." in Page(made.html).text


@pytest.mark.parametrize("name", ["x.txt", "manifests/small.toml", "folder.html"])
def test_only_html_files_are_written(copy, cli, name):
    (copy / "folder.html").mkdir()
    before = (copy / "manifests" / "small.toml").read_bytes()
    code, _, err = cli(copy, "report", "small", "--out", name)
    assert code == 2
    assert "name" in err
    assert (copy / "manifests" / "small.toml").read_bytes() == before


def test_a_file_that_cannot_be_replaced_stays_whole(copy, cli, monkeypatch):
    (copy / "x.html").write_text("old")

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = cli(copy, "report", "small", "--out", "x.html")
    assert code == 1
    assert "No space left" in err
    assert (copy / "x.html").read_text() == "old"
    assert not list(copy.glob(".x.html*"))


def test_results_that_no_record_wrote_are_refused(copy, cli):
    path = copy / "manifests" / "small" / "verified_results.json"
    path.write_text(path.read_text().replace('"draws": 100', '"draws": 101'))
    code, _, err = cli(copy, "report", "small")
    assert code == 1
    assert "no record" in err
    assert not (copy / "small-report.html").exists()
