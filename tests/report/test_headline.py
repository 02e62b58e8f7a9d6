"""The head of the page from made-up results with every kind of gap. No torch."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.latex.synthetic import results as synthetic
from vlmunl.latex.numerals import decimal
from vlmunl.latex.read import parse_results
from vlmunl.report import headline
from vlmunl.report.body import body
from vlmunl.report.page import document


@pytest.fixture(scope="module")
def results():
    return parse_results(synthetic())


def _text(html):
    return unescape(re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html)))


def _line(html, name):
    """The table's line of a model, without its markup."""
    return next(_text(line) for line in html.split("<tr") if f">{name}</" in line)


def test_every_model_has_a_line_with_its_verdict_in_words(results):
    html = headline.table(results)
    for row in results.rows:
        line = _line(html, row.label)
        if row.is_pending:
            assert "pending" in line
            assert not re.search(r"[.]\d\d", line), "no number without evidence"
        else:
            assert row.verdict in line
            assert decimal(row.wcr.cross_fit.estimate) in line if row.wcr else True


def test_verdicts_carry_their_bounds_and_reasons(results):
    html = headline.verdicts(results)
    assert html.count("<li>") == len(results.methods)
    guarded = results.row("ga")
    assert guarded.reason[1:] in _text(html)
    npo = results.row("npo")
    assert f'data-f="npo.wcr.lower">{decimal(npo.wcr.lower)}</button>' in html
    robust = _text(headline.sentence(results.row("retrain"), results))
    assert f"No live route brings back more than {decimal(results.row('retrain').wcr.upper)}" in robust
    assert "Recovery is not shown" in _text(headline.sentence(results.row("npo_wide"), results))


def test_a_verdict_differs_by_more_than_its_colour(results):
    marks = {headline.MARKS[headline.kind(row)] for row in results.methods}
    kinds = {headline.kind(row) for row in results.methods}
    assert len(marks) == len(kinds) >= 4


def test_seeds_and_rows_that_are_no_evidence_are_named(results):
    text = _text(headline.guarded(results))
    for seed in results.seeds:
        if seed.status != "verified":
            assert f"Seed {seed.seed}: {seed.status.replace('-', ' ')}" in text
    assert "IDK tuning" in text
    assert results.row("ga").reason in text


def test_every_claim_is_judged_in_words(results):
    text = _text(headline.claims(results))
    for claim in results.claims:
        said = {True: "supported", False: "not supported", None: "undecided"}[claim.supported]
        assert f"{said} {claim.text}" in text
    assert len(results.claims) == headline.claims(results).count("<li>")


def test_a_study_without_further_tiers_has_no_such_section(results):
    assert headline.tiers(results) == ""
    assert 'id="tiers"' not in body(results, "")


def test_further_tiers_show_numbers_or_the_status():
    found = synthetic()
    found["catalogue"] |= {"tiers": ["T0", "T4"], "headline": "T0"}
    wcr = {"plug_in": 0.5, "cross_fit": {"estimate": 0.44, "low": 0.4, "high": 0.5}, "lower": 0.33, "upper": 0.6}
    for row in found["rows"]:
        row["tiers"] = {"T4": {"status": "pending", "reason": "attack/npo/seed0 is pending"}}
        if row["name"] == "npo":
            row["tiers"] = {"T4": {**wcr, "worst_route": "relearn", "status": "verified", "reason": ""}}
    html = headline.tiers(parse_results(found))
    assert re.search(r"NPO.*\.44 \[\.40, \.50\] relearn at least \.33", _text(html.split("NPO (wide)")[0]))
    assert "pending" in _line(html, "GA")
    assert 'data-f="npo.tiers.T4.lower"' in html


def test_a_document_without_a_script_allows_none():
    html = document("<b>", "<p>x</p>")
    assert "script-src 'none'" in html.replace("&#x27;", "'")
    assert "<title>&lt;b&gt;</title>" in html
