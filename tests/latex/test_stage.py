"""The stage `tables`, from verified results to the folder `generated`."""

from __future__ import annotations

from pathlib import Path

from tests.latex import synthetic
from vlmunl.rng import Streams
from vlmunl.stage_types import Context
from vlmunl.stages.configs import TablesConfig
from vlmunl.stages.tables import run

DRAWN = ("recovery", "routes", "utility", "gate", "power", "curves")


def make(document: synthetic.Json, base: Path, *, figures: bool) -> tuple[dict[str, bytes], dict[str, object]]:
    out = base / "out"
    out.mkdir(parents=True)
    path = synthetic.write(document, base / "verified_results.json")
    context = Context(out=out, scratch=base, rng=Streams(0, ("tables",)), paths={"results": path})
    metrics = run(TablesConfig(figures=figures), context)
    return {file.name: file.read_bytes() for file in sorted((out / "generated").iterdir())}, dict(metrics)


def test_everything_is_written_and_counted(tmp_path: Path) -> None:
    files, metrics = make(synthetic.results(methods=2), tmp_path, figures=True)
    tables = {
        f"{name}.{kind}"
        for name in ("main", "gap", "routes", "gate", "utility", "named", "seeds")
        for kind in ("tex", "md", "csv", "html")
    }
    figures = {f"figure_{name}.{kind}" for name in DRAWN for kind in ("pdf", "png")}
    assert set(files) == tables | figures | {"numbers.tex", "claims.md", "claims.tex", "claims.csv"}
    assert metrics["files"] == len(files)
    assert (metrics["tables"], metrics["figures"], metrics["claims"]) == (7, len(DRAWN), 3)
    assert b"\r" not in files["main.tex"]


def test_the_paper_takes_in_all_that_is_made_for_it(tmp_path: Path) -> None:
    files, _ = make(synthetic.minimal(), tmp_path, figures=True)
    folder = Path(__file__).parents[2] / "latex"
    paper = "".join(path.read_text() for path in (folder / "preamble.tex", folder / "supplement.tex"))
    made = {name.removesuffix(".tex").removesuffix(".pdf") for name in files if name.endswith((".tex", ".pdf"))}
    asked = {name for name in made if f"{{{name}}}" in paper or f"/{name}.tex" in paper}
    assert asked | {"routes"} == made  # routes stand in a figure


def test_without_figures_and_evidence(tmp_path: Path) -> None:
    files, metrics = make(synthetic.minimal(), tmp_path, figures=False)
    assert metrics["figures"] == 0
    assert not any(name.endswith((".pdf", ".png")) for name in files)
    again, _ = make(synthetic.minimal(), tmp_path / "again", figures=False)
    assert again == files
