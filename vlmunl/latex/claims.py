"""The paper's claims, each with what the verified results say about it.

LaTeX gets the text of those only that are supported; Markdown and CSV tell all of them, for whoever decides.
"""

from __future__ import annotations

import csv
import io

from vlmunl.latex import escape
from vlmunl.latex.notes import provenance, wcr_background
from vlmunl.latex.numerals import decimal
from vlmunl.latex.results import Claim, Results

_NONE = "This study registers no claims.\n"
_HEAD = (
    r"\providecommand{\vlmclaimdef}[3]{\expandafter\gdef\csname vlmclaim@#1@#2\endcsname{#3}}",
    r"\providecommand{\vlmclaim}[2][\vlmunlstudy]{%",
    r"\ifcsname vlmclaim@#1@#2\endcsname\csname vlmclaim@#1@#2\endcsname\fi}",
)


def claims_tex(results: Results) -> str:
    """Definitions, to be read in the preamble: `\\vlmclaim[STUDY]{NAME}` is the sentence, or nothing.

    `\\vlmclaims[STUDY]` is a list of the supported ones, with a last line that names the others and their states;
    `\\vlmnotes[STUDY]` is what the notes of all its tables have in common.
    """
    study = results.study
    sentences = [
        rf"\vlmclaimdef{{{study}}}{{{claim.name}}}{{{escape.tex(claim.text)}}}"
        for claim in results.claims
        if claim.state == "supported"
    ]
    whole = rf"\vlmclaimdef{{{study}}}{{}}{{%"
    notes = "\\par\n".join(map(escape.tex, wcr_background(results)))
    listed = r"\providecommand{\vlmclaims}[1][\vlmunlstudy]{\csname vlmclaim@#1@\endcsname}"
    head = f"% {escape.tex(provenance(results))}"
    told = [r"\providecommand{\vlmnotes}[1][\vlmunlstudy]{\csname vlmclaim@#1@notes@\endcsname}"]
    told += [rf"\vlmclaimdef{{{study}}}{{notes@}}{{{notes}\par}}"]
    return "\n".join([head, *_HEAD, listed, *sentences, whole + "\n" + _list(results) + "}", *told]) + "\n"


def _list(results: Results) -> str:
    if not results.claims:
        return _NONE
    good = [claim for claim in results.claims if claim.state == "supported"]
    lines = [rf"\item {{}}{escape.tex(_capital(claim.text))} ({_breakable(figures(claim))})." for claim in good]
    shown = "\\begin{itemize}\n" + "\n".join(lines) + "\n\\end{itemize}\n" if lines else ""
    other = [f"{claim.name} ({claim.state})" for claim in results.claims if claim not in good]
    if not other:
        return shown
    return shown + f"Registered, and not printed since the data do not support them: {_breakable(', '.join(other))}.\n"


def _breakable(text: str) -> str:
    """Names are long: lines may end behind an underscore or a dot."""
    return escape.tex(text).replace(r"\_", r"\_\allowbreak{}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def figures(claim: Claim) -> str:
    """`npo.wcr.lower = .56, npo.canonical.high = .05`."""
    return ", ".join(f"{name} = {decimal(value)}" for name, value in claim.figures.items())


def claims_markdown(results: Results) -> str:
    """All claims with their states, conditions and figures, for a summary or a web page."""
    head = f"<!-- {escape.markup(provenance(results))} -->\n"
    return head + ("\n".join(map(_bullet, results.claims)) + "\n" if results.claims else _NONE)


def _bullet(claim: Claim) -> str:
    reason = f" {escape.markdown(claim.reason)}." if claim.reason else ""
    told = f" ({escape.markdown(figures(claim))})" if claim.figures else ""
    state = f"**{claim.state.capitalize()}**"
    return f"- {escape.markdown(claim.text)} {state}: `{claim.when}`{told}.{reason}"


def claims_csv(results: Results) -> str:
    """One line per claim; figures are unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["claim", "state", "text", "when", "figures", "reason", "study", "catalogue"])
    for claim in results.claims:
        told = "; ".join(f"{name}={'NA' if v is None else repr(v)}" for name, v in claim.figures.items())
        row = (claim.name, claim.state, claim.text, claim.when, told, claim.reason, results.study, results.catalogue)
        writer.writerow(row)
    return out.getvalue()


def not_supported(results: Results) -> tuple[str, ...]:
    """A line for the terminal on every claim that the paper will not print."""
    return tuple(
        f"claim {claim.name}: {claim.state}" + (f": {claim.reason}" if claim.reason else "")
        for claim in results.claims
        if claim.state != "supported"
    )
