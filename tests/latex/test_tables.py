"""Tables in four formats: complete, honest about what is missing, and safe with any label."""

from __future__ import annotations

import copy
import csv
import functools
import html.parser
import io
import re
from typing import Any

import pytest

from tests.latex import synthetic
from tests.latex.texcheck import problems, widths
from vlmunl.errors import VlmunlError
from vlmunl.latex import escape
from vlmunl.latex.claims import claims_markdown, claims_tex
from vlmunl.latex.gate_table import gate_table
from vlmunl.latex.main_table import main_table
from vlmunl.latex.named_table import named_table
from vlmunl.latex.read import parse_results, read_results
from vlmunl.latex.results import Results
from vlmunl.latex.routes_table import routes_table
from vlmunl.latex.table import Table
from vlmunl.latex.utility_table import utility_table
from vlmunl.latex.writers import WRITERS, to_csv, to_html, to_markdown, to_tex

DOCUMENTS = {
    "full": synthetic.results(),
    "minimal": synthetic.minimal(),
    "many": synthetic.many_methods(40),
    "crowded": synthetic.crowded(),
    "no methods": synthetic.results(methods=0, pending=False),
}
BUILDERS = (main_table, routes_table, gate_table, utility_table, named_table)
HOSTILE = (
    r"\input{/etc/passwd}",
    "50% & $x_1^2$ #3 ~ {",
    "<script>alert('x')</script>",
    "a | b\nc `code` **bold** [link](http://x)",
    '=HYPERLINK("http://x")',
    "@cmd",
    "+1",
    "-2+3",
    "[option]",
    "*star",
    'quote " and \\',
    "\u7532\u4e59 \U0001f600 \x1b[31m",
    "--> -- ,, ''",
)


def tables(name: str) -> list[Table]:
    results = parse_results(DOCUMENTS[name])
    return [build(results) for build in BUILDERS]


def hostile() -> Results:
    """The full document with a hostile text wherever the user's words can reach."""
    document: Any = copy.deepcopy(synthetic.results())
    document["title"] = HOSTILE[0]
    for i, row in enumerate(document["rows"]):
        row["label"], row["reason"] = HOSTILE[i % len(HOSTILE)], HOSTILE[(i + 5) % len(HOSTILE)]
    for i, route in enumerate(document["routes"]):
        route["family"] = HOSTILE[i % len(HOSTILE)]
    for i, claim in enumerate(document["claims"]):
        claim |= {"text": HOSTILE[i], "reason": HOSTILE[i + 3], "when": "a.b < 1 and c_d > 2"}
    for seed, text in zip(document["seeds"], HOSTILE[6:], strict=False):
        seed["reason"] = text
    return parse_results(document)


@functools.cache
def all_tables() -> list[Table]:
    known = [table for name in DOCUMENTS for table in tables(name)]
    return [*known, *(build(hostile()) for build in BUILDERS)]


def test_latex_is_well_formed() -> None:
    for table in all_tables():
        text = to_tex(table)
        assert problems(text) == []
        declared, found = widths(text)
        assert found == {declared}, table.name


DEFINED = ("\\providecommand", "\\ifcsname")


def test_claims_are_well_formed() -> None:
    for results in (hostile(), *map(parse_results, DOCUMENTS.values())):
        lines = [line for line in claims_tex(results).splitlines() if not line.startswith(DEFINED)]
        names = re.compile(r"\\vlmclaimdef\{\w+\}\{\w*@?\}")  # inside of which an underscore is a letter
        assert problems(names.sub("", "\n".join(lines))) == []
        assert not re.search(r"(?<!\\)<script", claims_markdown(results))


def test_the_checker_finds_what_it_should() -> None:
    for bad in ("a_b", "{", r"\begin{a}", "a#b", "\u7532"):
        assert problems(bad)


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_balanced_and_holds_no_foreign_tag() -> None:
    for table in all_tables():
        tags = _Tags()
        tags.feed(to_html(table))
        assert tags.open == []
        assert not tags.seen & {"script", "img", "iframe"}


def test_html_rows_have_one_cell_per_column() -> None:
    for table in all_tables():
        for row in re.findall(r"<tr>(.*?)</tr>", to_html(table)):
            if "colspan" not in row:
                assert row.count("</th>") + row.count("</td>") == len(table.columns)


def test_markdown_rows_have_one_cell_per_column() -> None:
    for table in all_tables():
        rows = [line for line in to_markdown(table).split("\n") if line.startswith("|")]
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {len(table.columns) + 1}
        assert not any(re.search(r"(?<!\\)<script", line) for line in rows)  # a backslash makes it text


def test_csv_is_rectangular_and_runs_no_formula() -> None:
    for table in all_tables():
        rows = list(csv.reader(io.StringIO(to_csv(table))))
        assert len({len(row) for row in rows}) == 1
        for value in (value for row in rows for value in row if value.startswith(("=", "+", "-", "@", "\t", "\r"))):
            float(value)  # a number may start with a minus; nothing else may


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_has_no_live_character(text: str) -> None:
    assert problems(escape.tex(text)) == []
    assert "<" not in escape.markup(text)
    assert "\n" not in escape.tex(text) + escape.markup(text) + escape.markdown(text)


def test_a_table_is_the_same_bytes_twice() -> None:
    for write in WRITERS.values():
        for name in DOCUMENTS:
            assert [write(table) for table in tables(name)] == [write(table) for table in tables(name)]


@pytest.mark.parametrize("build", [main_table, utility_table, named_table])
def test_a_pending_row_says_so_in_every_figure(build: Any) -> None:
    line = next(row for row in build(parse_results(DOCUMENTS["full"])).rows if row[0].text == "IDK tuning")
    assert {cell.text for cell in line[1:]} == {"pending"}
    values = {value for cell in line[1:] for value in cell.raw}
    assert "pending" in values
    assert not values & {None, 0, ""}


def test_without_evidence_no_number_is_shown() -> None:
    for build in BUILDERS:
        for row in build(parse_results(DOCUMENTS["minimal"])).rows:
            assert not any(re.fullmatch(r"-?\d*\.\d+", cell.text) for cell in row)
            assert not any(isinstance(value, float) for cell in row for value in cell.raw)
            assert all(cell.text for cell in row)


def test_nothing_is_called_dead_before_it_was_judged() -> None:
    assert "dead," not in to_csv(routes_table(parse_results(DOCUMENTS["minimal"])))
    assert "liveness not judged yet" in to_markdown(main_table(parse_results(DOCUMENTS["minimal"])))


def test_a_failed_gate_is_named_everywhere() -> None:
    document = copy.deepcopy(synthetic.minimal())
    document["seeds"] = [{"seed": 0, "status": "failed-gate", "reason": "open D .1", "gate": {}}]
    results = parse_results(document)
    for table in (build(results) for build in BUILDERS):
        for write in (to_tex, to_html, to_markdown):
            assert "failed gate" in write(table)
        assert "failed-gate" in to_csv(table)


def test_failed_and_pending_seeds_are_in_the_notes() -> None:
    notes = "\n".join(main_table(parse_results(DOCUMENTS["full"])).notes)
    assert "Seed 1: failed gate" in notes
    assert "Seed 2: pending" in notes
    assert "lower bound .02" in notes


def test_a_control_off_zero_is_said_in_words() -> None:
    document = copy.deepcopy(synthetic.results())
    placebo = next(row for row in document["rows"] if row["name"] == "placebo")
    placebo["wcr"]["cross_fit"] = {"estimate": 0.3, "low": 0.2, "high": 0.4}
    assert any("does not cover 0" in note for note in main_table(parse_results(document)).notes)


def test_roles_are_always_there() -> None:
    document = copy.deepcopy(synthetic.results()) | {"rows": []}
    labels = [row[0].text for row in main_table(parse_results(document)).rows]
    assert labels == ["base", "imprint", "gold", "placebo"]


def test_csv_keeps_full_precision() -> None:
    rows = csv.DictReader(io.StringIO(to_csv(utility_table(parse_results(DOCUMENTS["full"])))))
    assert next(row for row in rows if row["model"] == "npo")["logp"] == "-1.234567"


def test_a_wrong_document_is_refused_with_the_place() -> None:
    with pytest.raises(VlmunlError, match="schema 7"):
        parse_results({"schema": 7})
    document = copy.deepcopy(synthetic.results())
    document["rows"][0]["wcr"]["lower"] = "high"
    with pytest.raises(VlmunlError, match=r"rows\[0\]\.wcr\.lower"):
        parse_results(document)


def test_not_a_number_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "verified_results.json"
    path.write_text('{"schema": 1, "n": {"items": NaN}}')
    with pytest.raises(VlmunlError, match="NaN"):
        read_results(path)
