"""A whole study with an attacker: planned, run with the real search over made-up answers, reported, traced."""

from __future__ import annotations

import json

import pytest

from tests.trail.conftest import STUDY, cli, settle  # noqa: F401
from tests.trail.fake_stages import _uniform
from vlmunl.adaptive.asking import Asker

pytestmark = pytest.mark.model
ATTACKER = """
[tuning]
people = 2
[attacker]
budget = 6
beam = 2
"""
KNOWS = {"imprint": 0.97, "gold": 0.1, "placebo": 0.1}


@pytest.fixture
def root(tmp_path, monkeypatch):
    def reply(self, name, asked, pictures, tell):
        rows = []
        for a in asked:
            parts = a.columns["route"].split("+")
            chance = KNOWS.get(name, 0.2 + 0.3 * len({"cloze", "name_first"} & set(parts)))
            right = a.columns["split"] == "retain" or _uniform(name, sorted(a.columns.items())) < chance
            said = {"score": float(right), "logp": -1.0, "tokens": 1, "rank1": right, "text": ""}
            status = {"status": "correct" if right else "incorrect"}
            rows.append({**a.columns, **said, **status, "prompt_digest": "ab", "image_digest": "cd"})
        return rows

    monkeypatch.setattr(Asker, "_answers", reply)
    (tmp_path / "manifests").mkdir()
    small = STUDY.partition("[claims.worse]")[0].replace("seeds = [0, 1, 2]", "seeds = [0]")
    small = small[: small.index("[evidence]")] + "[tables]\nfigures = false\n"
    small = small.replace("people = 14\nforget = 6", "people = 20\nforget = 8").replace('"dialogue", ', "")
    (tmp_path / "manifests" / "small.toml").write_text(small + ATTACKER)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    return tmp_path


def test_it_runs_to_the_tables_and_its_figure_can_be_traced(root, cli):  # noqa: F811
    settle(root)
    folder = root / "manifests" / "small"
    document = json.loads((folder / "verified_results.json").read_text())
    npo = next(row for row in document["rows"] if row["name"] == "npo")
    assert npo["adaptive"]["routes"][0]["route"] in ("cloze+name_first", "name_first+cloze")
    assert npo["adaptive"]["low"] > 0
    assert npo["adaptive"]["routes"][0]["tried"] == npo["adaptive"]["budget"] == 6
    assert "## Adaptive attacker" in (folder / "summary.md").read_text()
    assert (root / "latex" / "generated" / "small" / "adaptive.md").is_file()
    code, out, _ = cli(root, "--json", "trace", "small", "npo.adaptive")
    told = json.loads(out)
    assert code == 0
    assert told["value"] == npo["adaptive"]["estimate"]
    assert {"cell": "search/npo/seed0", "part": "rows"} in told["sources"]
    assert told["problems"] == []
    assert "scout/seed0" in {node["cell"] for node in told["records"]}
