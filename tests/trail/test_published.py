"""From a damaged file back to the published numbers that rest on it, and to no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmunl.keys import digest_file
from vlmunl.manifests.read_manifest import read_manifest
from vlmunl.store import Store
from vlmunl.store.graph import Graph, node_of, parts_of
from vlmunl.trail.published import Published
from vlmunl.workspace import Workspace


@pytest.fixture(scope="module")
def published(finished) -> Published:
    folder = finished.workspace.results("small")
    return Published(finished.workspace, read_manifest(folder / "run_manifest.json"))


@pytest.fixture(scope="module")
def graph(finished) -> Graph:
    store = Store(finished.store.root)
    return Graph([node_of(store.load(name)) for name in store.records()], parts_of(store))


def of_output(published: Published, graph: Graph, cell: str, output: str):
    """The numbers that rest on one output of a cell."""
    xxh3 = published.manifest.nodes[cell].outputs[output].xxh3
    return published.resting_on(objects=graph.of_object(xxh3).objects)


def scored(finished) -> dict[str, tuple[int, ...]]:
    """Row -> the seeds that feed it, of the rows that have any."""
    document = json.loads((finished.workspace.results("small") / "verified_results.json").read_text())
    return {row["name"]: tuple(row["seeds"]) for row in document["rows"] if row["seeds"]}


WRITTEN = "\\vlmunl"


def test_one_cells_rows_touch_its_own_line_alone(finished, published, graph) -> None:
    found = of_output(published, graph, "eval/ga/seed0", "rows")
    assert 0 in scored(finished)["ga"]
    assert found.rows == {"ga": (0,)}
    assert found.claims == ("worse",)  # it names ga.utility; the other does not
    assert 0 < found.figures < found.of
    everybodys = (".versus.", "{best.", "{comparisons.")  # one is corrected for all
    paired = [m for m in found.macros if any(part in m for part in everybodys)]
    own = ("\\vlmunl{ga", "\\vlmunl{claims.worse", "\\vlmunl{n.")
    others = [m for m in found.macros if m not in paired and not m.startswith(own)]
    assert (others, "\\vlmunl{ga.wcr.lower}" in found.macros) == ([], True)
    assert {"manifests/small/verified_results.json", "latex/generated/small/numbers.tex"} <= set(found.files)
    assert "manifests/small/run_manifest.json" not in found.files


def test_every_macro_is_one_of_numbers_tex(finished, published, graph) -> None:
    text = (finished.workspace.generated("small") / "numbers.tex").read_text()
    found = of_output(published, graph, "eval/gold/seed0", "rows")
    assert found.macros
    assert all(f"\\vlmdef{{small}}{macro.removeprefix(WRITTEN)}{{" in text for macro in found.macros)


def test_the_yardstick_touches_every_line(finished, published, graph) -> None:
    for cell in ("eval/gold/seed0", "eval/imprint/seed0"):
        found = of_output(published, graph, cell, "rows")
        assert set(found.rows) == set(scored(finished))
        assert set(found.claims) == {"worse", "wide"}


def test_what_is_upstream_touches_what_was_made_from_it(finished, published, graph) -> None:
    whole = of_output(published, graph, "data", "benchmark")
    assert set(whole.rows) == set(scored(finished))
    trained = of_output(published, graph, "unlearn/ga/seed0", "adapter")
    assert trained == of_output(published, graph, "eval/ga/seed0", "rows")


def test_what_no_number_rests_on(published, graph) -> None:
    curve = of_output(published, graph, "imprint/placebo/seed0", "curve")  # it is drawn, and in no number
    assert (curve.figures, curve.rows, curve.claims, curve.macros) == (0, {}, (), ())
    assert all(file.startswith("latex/generated/") for file in curve.files)
    assert published.resting_on(objects=["0" * 32], records=["nothing"]) is None


def test_a_lost_record_takes_its_steps_along(finished, published, graph) -> None:
    file = published.manifest.nodes["unlearn/ga/seed0"].file
    found = published.resting_on(objects=graph.of_record(file).objects, records=[file])
    assert "\\vlmunl{ga.cost.steps}" in found.macros
    assert "\\vlmunl{ga.cost.steps}" not in of_output(published, graph, "unlearn/ga/seed0", "adapter").macros
    assert found.rows == {"ga": (0,)}


def test_without_readable_results_the_files_are_still_known(copy: Path) -> None:
    folder = copy / "manifests" / "small"
    (folder / "verified_results.json").write_text("{")
    published = Published(Workspace(root=copy), read_manifest(folder / "run_manifest.json"))
    xxh3 = digest_file(folder / "summary.md").xxh3
    found = published.resting_on(objects=[xxh3], records=[published.manifest.nodes["eval/ga/seed0"].file])
    assert (found.figures, found.files) == (0, ("manifests/small/summary.md",))


def test_verify_tells_it(cli, copy: Path) -> None:
    manifest = read_manifest(copy / "manifests" / "small" / "run_manifest.json")
    ref = manifest.nodes["eval/ga/seed0"].outputs["rows"]
    path = copy / "store" / "objects" / ref.xxh3[:2] / ref.xxh3
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    code, out, _ = cli(copy, "store", "verify")
    assert code == 5
    assert "figures: ga (seed 0)" in out
    assert "numbers   small: claims worse" in out
    (damage,) = json.loads(cli(copy, "store", "verify", "--json")[1])["damaged"]
    (numbers,) = damage["numbers"]
    assert (numbers["study"], numbers["rows"]) == ("small", {"ga": [0]})
