"""The frame of the page: its sections, which the script fills where they are long."""

from __future__ import annotations

from html import escape

from vlmunl.latex.results import Results
from vlmunl.report import headline

CHARTS = {
    "dumbbell": (
        "Canonical against worst route",
        "What the usual question shows, and what its worst route brings back.",
    ),
    "heat": ("Recovery by route", "Calibrated recovery of every model by every route; dead routes are left out."),
    "utility": (
        "Recovery and utility",
        "A method is to be low and to the right: nothing comes back, nothing else is lost.",
    ),
    "gate": ("Gate headroom", "What the imprint knows more than gold, by answer format, with its lower bound."),
    "curves": ("Training curves", "Losses by step of the trainings behind each model."),
}


def body(results: Results, missing: str) -> str:
    """All of the page but its scripts and data; `missing` is what an unfinished study lacks, as HTML."""
    sections = {
        "verdicts": ("Verdicts", headline.verdicts(results)),
        "results": ("Results", headline.table(results)),
        "limits": ("What is not assessable", headline.guarded(results)),
        "claims": ("Claims", headline.claims(results)),
        "charts": ("Charts", _charts()),
        "answers": ("Worst routes, with answers", _filters() + '<div id="methods"></div>'),
        "compare": ("Compare two models", _COMPARE),
        "records": ("Records", _RECORDS),
        "about": ("How to read this", headline.notes(results)),
    }
    shown = {name: part for name, part in sections.items() if part[1]}
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, (title, _) in shown.items())
    parts = "".join(
        f'<section id="{name}"><h2>{escape(title)}</h2>{html}</section>' for name, (title, html) in shown.items()
    )
    return (
        f'<a class="skip" href="#verdicts">To the verdicts</a><header><p class="dim">vlmunl report</p>'
        f"<h1>{escape(results.title or results.study)}</h1><p>{headline.tally(results)}</p>{missing}"
        f"{headline.address(results)}<noscript><p>Verdicts and results are below; charts, answers and records need "
        f'JavaScript.</p></noscript></header><nav aria-label="Sections">{links}</nav><main>{parts}</main>'
        '<dialog id="origin" aria-labelledby="origin-title"></dialog>'
    )


def _charts() -> str:
    return "".join(
        f'<figure id="chart-{name}"><figcaption><h3>{escape(title)}</h3><p class="dim">{escape(about)}</p>'
        f'<div class="controls"></div></figcaption><div class="scroll" tabindex="0" role="group" '
        f'aria-label="{escape(title)}: chart, the same as a table below"><div class="plot"></div></div>'
        '<details class="data"><summary>The same as a table</summary><div class="scroll"></div></details></figure>'
        for name, (title, about) in CHARTS.items()
    )


def _filters() -> str:
    chosen = "".join(
        f'<label>{name}<select id="f-{name}"><option value="">all</option></select></label>'
        for name in ("person", "route", "tier", "status", "seed")
    )
    return (
        '<details class="filters" id="filters"><summary>Filters<span id="f-count" class="dim"></span></summary>'
        f'<div class="row">{chosen}<label class="wide">search<input id="f-search" type="search" '
        'placeholder="question, answer, person, fact"></label>'
        '<button type="button" id="f-clear">clear</button></div>'
        '<p class="dim">They hold for the examples here and for the comparison below.</p></details>'
    )


_COMPARE = """
<p>Every question on the people to forget, with the answers of two models; the largest differences stand first.</p>
<div class="row" id="c-choice"><label>A<select id="c-a"></select></label>
<button type="button" id="c-swap" aria-label="swap A and B">⇄</button><label>B<select id="c-b"></select></label>
<label>show<select id="c-show"><option value="all">all questions</option>
<option value="text">answers that differ</option><option value="score">scores that differ</option></select></label>
<label class="check"><input type="checkbox" id="c-counts"> only what counts</label></div>
<div class="scroll" id="c-numbers"></div><p id="c-said" role="status"></p><div id="c-items"></div>
<button type="button" id="c-more" hidden>more</button>
"""

_RECORDS = """
<p>Every cell of the run manifest: its record in the store, what it read and wrote.</p>
<div class="row"><label>stage<select id="r-stage"><option value="">all</option></select></label>
<label>status<select id="r-status"><option value="">all</option></select></label>
<label class="wide">search<input id="r-search" type="search" placeholder="cell, key or address"></label></div>
<p id="r-said" role="status" class="dim"></p><div class="scroll" id="r-items"></div>
<button type="button" id="r-more" hidden>more</button>
"""
