"""The head of the report as plain HTML: verdicts in words, the table of results, claims, and what is not evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from vlmunl.latex.notes import (
    catalogue_note,
    control_warnings,
    evidence_notes,
    made_elsewhere_notes,
    pending_reason,
    row_status,
    tuning_notes,
    wcr_notes,
    words,
)
from vlmunl.latex.numerals import ABSENT, bounds, counted, decimal
from vlmunl.latex.results import AT_INFERENCE, Claim, Interval, ModelRow, Results

COLUMNS = ("model", "canonical", "WCR (cross-fit)", "worst route", "lower bound", "utility", "verdict")
KINDS = {"recovers": "bad", "robust": "good", "no recovery shown": "open", "not assessable": "guard"}
MARKS = {"bad": "◆", "good": "●", "open": "□", "guard": "✕", "wait": "…", "role": "–"}
_FIRST, _LAST = ("base", "imprint"), ("gold", "placebo")


def kind(row: ModelRow) -> str:
    """The class of a verdict, which gives its colour and mark."""
    if row.is_pending or row.verdict == "pending":
        return "wait"
    if row.verdict == "does not cover 0":
        return "bad"
    return next((mark for verdict, mark in KINDS.items() if row.verdict.startswith(verdict)), "role")


def badge(row: ModelRow, results: Results) -> str:
    """The verdict's words with its mark."""
    shown = words(row_status(row, results)) if row.is_pending else row.verdict
    return f'<span class="badge {kind(row)}"><span aria-hidden="true">{MARKS[kind(row)]}</span> {escape(shown)}</span>'


def number(name: str, text: str, small: str = "") -> str:
    """A figure that tells where it comes from when it is pressed."""
    if text == ABSENT:
        return f'<span class="dim">{ABSENT}</span>'
    more = f" <small>{escape(small)}</small>" if small else ""
    return f'<button type="button" class="n" data-f="{escape(name)}">{escape(text)}{more}</button>'


def interval(name: str, value: Interval | None) -> str:
    """An estimate and its bounds."""
    return number(name, decimal(value.estimate if value else None), bounds(value))


# ------------------------------------------------------------------------------------------ verdicts


def verdicts(results: Results) -> str:
    """One line for each method: verdict, why, and its limits."""
    lines = []
    for title, rows in results.groups:
        if rows and title == AT_INFERENCE:
            lines.append(f'<li class="dim">{escape(title)}</li>')
        lines += [
            f'<li><a href="#m-{escape(row.name)}"><b>{escape(row.label)}</b></a> {badge(row, results)}'
            f"<p>{sentence(row, results)}</p></li>"
            for row in rows
        ]
    return f'<ul class="verdicts">{"".join(lines)}</ul>'


def tally(results: Results) -> str:
    """`6 methods. recovers: 5; not assessable (utility): 1`, in the order of the methods."""
    found: dict[str, int] = {}
    for row in results.methods:
        shown = words(row_status(row, results)) if row.is_pending else row.verdict
        found[shown] = found.get(shown, 0) + 1
    listed = "; ".join(f"{escape(shown)}: <b>{count}</b>" for shown, count in found.items())
    return f"{counted(len(results.methods), 'method')}. {listed}"


def sentence(row: ModelRow, results: Results) -> str:
    """A verdict in a sentence, with the figures that carry it."""
    name, wcr = row.name, row.wcr
    if row.is_pending:
        return f"No evidence yet: {escape(pending_reason(row, results))}."
    if wcr is None:
        return f"{escape(row.reason or 'no route is live')}."
    usual = f"The canonical question shows {interval(f'{name}.canonical', row.canonical)}"
    by = f"its worst route, <b>{escape(wcr.worst_route)}</b>, {interval(f'{name}.wcr', wcr.cross_fit)} (cross-fit)"
    seen = f"{usual}; {by}."
    lower, upper = number(f"{name}.wcr.lower", decimal(wcr.lower)), number(f"{name}.wcr.upper", decimal(wcr.upper))
    level = f"simultaneous {results.level} %"
    tolerance = decimal(results.thresholds.get("tolerance"))
    if row.verdict == "recovers":
        return f"{seen} At least {lower} of what was taught comes back on some route ({level} bound over all routes)."
    if row.verdict == "robust":
        return f"{seen} No live route brings back more than {upper}, below the tolerance {tolerance} ({level} bound)."
    if row.verdict == "no recovery shown":
        return (
            f"{seen} Recovery is not shown (lower bound {lower}), and neither is robustness: up to {upper} is "
            f"possible, the tolerance is {tolerance}."
        )
    why = row.reason or row.verdict
    return f"{escape(why[:1].upper() + why[1:])}. {seen} That is no verdict on what was forgotten."


# ------------------------------------------------------------------------------------------ the table


def table(results: Results) -> str:
    """The headline table; narrow screens show each line as a card."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in COLUMNS)
    lines = "".join(_line(row, results) for row in _ordered(results))
    return (
        '<table class="headline"><caption>Recovery: 0 as if never taught, 1 all of it came back. Brackets: '
        f"{results.level} % intervals. Press a number to see where it comes from.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    )


def _ordered(results: Results) -> list[ModelRow]:
    def of(names: Iterable[str]) -> list[ModelRow]:
        return [row for name in names if (row := results.row(name)) is not None]

    return [*of(_FIRST), *results.methods, *of(_LAST)]


def _line(row: ModelRow, results: Results) -> str:
    cells = list(_cells(row, results))
    shown = "".join(
        f'<td data-label="{escape(name)}">{cell}</td>' for name, cell in zip(COLUMNS[1:], cells, strict=True)
    )
    label = escape(row.label)
    if row in results.methods:
        label = f'<a href="#m-{escape(row.name)}">{label}</a>'
    return f'<tr class="{kind(row)}"><th scope="row">{label}</th>{shown}</tr>'


def _cells(row: ModelRow, results: Results) -> Iterator[str]:
    name, wcr = row.name, row.wcr
    if row.is_pending:
        status = f'<span class="dim">{escape(words(row_status(row, results)))}</span>'
        yield from (status, status, ABSENT, ABSENT, ABSENT, badge(row, results))
        return
    yield interval(f"{name}.canonical", row.canonical)
    yield interval(f"{name}.wcr", wcr.cross_fit if wcr else None)
    yield escape(wcr.worst_route) if wcr and wcr.worst_route else ABSENT
    yield number(f"{name}.wcr.lower", decimal(wcr.lower if wcr else None))
    yield number(f"{name}.utility", decimal(row.utility))
    yield badge(row, results)


# ------------------------------------------------------------------------------------------ the rest


def guarded(results: Results) -> str:
    """What cannot be assessed, what is missing, and which controls fail."""
    rows = [row for row in results.methods if not row.is_pending and row.verdict.startswith("not assessable")]
    said = [f"<b>{escape(row.label)}</b>: {escape(row.verdict)} ({escape(row.reason)})." for row in rows]
    said += [
        f"<b>{escape(row.label)}</b>: {escape(words(row_status(row, results)))} "
        f"({escape(pending_reason(row, results))})."
        for row in results.rows
        if row.is_pending
    ]
    said += [escape(note) for note in (*control_warnings(results), *evidence_notes(results))]
    if not said:
        return "<p>Everything that the study asked for was measured and can be assessed.</p>"
    return f"<ul>{''.join(f'<li>{line}</li>' for line in said)}</ul>"


def claims(results: Results) -> str:
    """Each claim with what the figures say of it."""
    return f'<ul class="claims">{"".join(map(_claim, results.claims))}</ul>' if results.claims else ""


_JUDGED = {True: ("good", "●", "supported"), False: ("bad", "◆", "not supported"), None: ("wait", "…", "undecided")}


def _claim(claim: Claim) -> str:
    look, mark, said = _JUDGED[claim.supported]
    why = f'<p class="dim">{escape(claim.reason)}</p>' if claim.reason else ""
    return (
        f'<li><button type="button" class="n plain" data-f="claims.{escape(claim.name)}.supported">'
        f'<span class="badge {look}"><span aria-hidden="true">{mark}</span> {said}</span></button> '
        f"{escape(claim.text)}<p><code>{escape(claim.when)}</code></p>{why}</li>"
    )


def notes(results: Results) -> str:
    """How the numbers were made."""
    said = dict.fromkeys((*wcr_notes(results), *tuning_notes(results)))
    elsewhere = {*control_warnings(results), *evidence_notes(results), catalogue_note(results)}
    kept = [note for note in said if note not in elsewhere or note in made_elsewhere_notes(results)]
    return f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in kept)}</ul>"


def address(results: Results) -> str:
    """What the whole page rests on."""
    n = results.n
    facts = {
        "study": results.study,
        "run manifest (sha256)": results.evidence,
        "route catalogue": results.catalogue,
        "tiers": ", ".join(results.tiers),
        "routes": f"{len(results.routes)}, of them {results.live_routes} live",
        "people": f"{counted(n.get('identities'), 'person', 'people')} to forget, "
        f"{counted(n.get('items'), 'fact')} that count",
        "seeds": "; ".join(f"{seed.seed}: {words(seed.status)}" for seed in results.seeds) or "none",
    }
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f'<dl class="address">{pairs}</dl>'
