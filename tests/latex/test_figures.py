"""Figures: drawn for every document, equal byte for byte, with real fonts and labels that do not collide."""

from __future__ import annotations

import copy
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.latex import synthetic
from vlmunl.latex import drawing
from vlmunl.latex.extras import Curve, Extras
from vlmunl.latex.figure_utility import spread
from vlmunl.latex.figures import FIGURES, write_figure
from vlmunl.latex.read import parse_results

pytestmark = pytest.mark.filterwarnings("error")

POWER = {
    "power": 0.8,
    "people": 16,
    "routes": 30,
    "curve": [
        {"people": n, "low": 0.6 / n, "recovery": 1 / n, "high": None if n < 8 else 3 / n} for n in (4, 8, 16, 32)
    ],
}
STEPS = tuple({"forget_nll": 0.1 * i, "retain_nll": 0.2} for i in range(1, 30))
EXTRAS = Extras(
    power=POWER,
    curves=(
        Curve(cell="imprint/imprint/seed0", steps=({"nll": 3.0}, {"nll": 0.001}), ended="steps"),
        Curve(cell="unlearn/finetune/seed0", steps=STEPS, ended="steps"),
        Curve(cell="unlearn/retrain/seed0", steps=(), ended="no training"),
    ),
)


@pytest.mark.parametrize("name", FIGURES)
def test_twice_the_same_bytes_whatever_the_users_style(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib as mpl

    results = parse_results(synthetic.results(methods=1))
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    one = [path.read_bytes() for path in write_figure(name, results, EXTRAS, first)]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.bbox": "tight"}):
        two = [path.read_bytes() for path in write_figure(name, results, EXTRAS, second)]
    assert one == two
    pdf = one[0]
    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf or b"/TrueType" in pdf
    assert b"CreationDate" not in pdf
    assert b"/Producer" not in pdf
    assert b"/ModDate" not in pdf


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("which", ["minimal", "hostile"])
def test_any_document_is_drawn(name: str, which: str, tmp_path: Path) -> None:
    document = copy.deepcopy(synthetic.minimal() if which == "minimal" else synthetic.results(methods=4))
    if which == "hostile":
        for row in document["rows"]:
            row["label"] = "$x_ \u7532 \\frac{\n" + row["label"]
    for extras in (Extras(), EXTRAS):
        made = write_figure(name, parse_results(document), extras, tmp_path)
        assert {path.suffix for path in made} == {".pdf", ".png"}
        assert all(path.stat().st_size > 1000 for path in made)


def _ticks_out_of_view(figure: Figure) -> set[Text]:
    """Labels that matplotlib keeps for ticks beyond the limits and does not draw."""
    hidden: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks() if axes.axison else []
            hidden |= {tick.label1 for tick in ticks if not low <= tick.get_loc() <= high}
            hidden |= {tick.label1 for tick in axis.get_major_ticks() if not axes.axison}
    return hidden


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("document", [synthetic.crowded(), synthetic.minimal()], ids=["crowded", "minimal"])
def test_no_text_covers_another_or_leaves_the_page(name: str, document: synthetic.Json) -> None:
    """14 methods and 42 routes; slanted headings are left out, for their boxes overlap where their letters do not."""
    with drawing.style():
        for figure in FIGURES[name](parse_results(document), EXTRAS):
            nothing_collides(figure)


def nothing_collides(figure: Figure) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_rotation() != 60]
    hidden = _ticks_out_of_view(figure)
    texts = [text for text in texts if text not in hidden]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts]
    page = figure.bbox
    for text, box in boxes:
        assert min(box.x0 - page.x0, page.x1 - box.x1, box.y0 - page.y0, page.y1 - box.y1) >= -1, text
    for (one, a), (two, b) in combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across < 1.5 or along < 0.35 * min(a.height, b.height), (one, two)


def test_what_does_not_fit_on_a_page_comes_in_parts() -> None:
    """60 methods, 200 routes: every route on one page, every method in one part, and all parts within a page."""
    from vlmunl.latex.figure_routes import _PAGE, _STEP, _groups, _pages, _split
    from vlmunl.latex.routes_table import scored_rows

    results = parse_results(synthetic.crowded(60, 200))
    pages = _pages(_groups(results))
    routes = [route.id for page in pages for _, some in page for route in some]
    assert sorted(routes) == sorted(route.id for route in results.routes)
    assert len(routes) == len(set(routes))
    assert all(sum(len(some) for _, some in page) * _STEP <= _PAGE for page in pages)
    parts = _split(scored_rows(results), 18)
    assert all(len(part) <= 18 and part[:3] == parts[0][:3] for part in parts)
    methods = [row.name for part in parts for row in part[3:]]
    assert methods == [row.name for row in results.methods]
    with drawing.style():
        heights = [part.get_size_inches()[1] for part in FIGURES["figure_recovery"](results, EXTRAS)]
    assert len(heights) == 2
    assert max(heights) < 9.3


def test_a_route_that_was_not_asked_is_in_no_figure() -> None:
    document = copy.deepcopy(synthetic.results(methods=2))
    document["routes"][3] |= {"live": False, "headroom": None, "not_asked": "there are no pictures"}
    results = parse_results(document)
    with drawing.style():
        texts = [t.get_text() for part in FIGURES["figure_routes"](results, EXTRAS) for t in part.findobj(Text)]
    assert not any("para_indirect" in text for text in texts)
    assert any("1 routes not asked" in text for text in texts)


def test_labels_stay_apart_in_full_and_on_paper() -> None:
    texts = [f"method {i} with a very long name" for i in range(12)]
    assert len(set(drawing.labels(texts, 10))) == 12
    assert drawing.label("a" * 40, 10) == "aaaaa\u2026aaaa"


def test_spread_keeps_distance_and_order() -> None:
    placed = spread([0.0, 0.0, 0.01, 0.99, 1.0], 0.1, -0.1, 1.1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(placed))
    assert placed[0] >= -0.1
    assert placed[-1] <= 1.1


def test_importing_the_room_imports_no_matplotlib() -> None:
    code = (
        "import sys, pkgutil, importlib, vlmunl.latex as room, vlmunl.stages.tables\n"
        "for m in pkgutil.iter_modules(room.__path__): importlib.import_module('vlmunl.latex.' + m.name)\n"
        "heavy = {'matplotlib', 'numpy', 'torch', 'transformers', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
