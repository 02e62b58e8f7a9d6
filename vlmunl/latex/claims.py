"""The paper's claims, each with what the verified results say about it."""

from __future__ import annotations

from vlmunl.latex import escape
from vlmunl.latex.macros import supported_in_words
from vlmunl.latex.notes import provenance
from vlmunl.latex.results import Claim, Results


def claims_tex(results: Results) -> str:
    """A list to be `\\input`: each sentence, its verdict in words, and the condition that was tested."""
    head = f"% {escape.tex(provenance(results))}\n"
    if not results.claims:
        return head + "This study registers no claims.\n"
    items = "\n".join(_item(claim) for claim in results.claims)
    return f"{head}\\begin{{itemize}}\n{items}\n\\end{{itemize}}\n"


def claims_markdown(results: Results) -> str:
    """The same list for a summary or a web page."""
    head = f"<!-- {escape.markup(provenance(results))} -->\n"
    if not results.claims:
        return head + "This study registers no claims.\n"
    return head + "\n".join(map(_bullet, results.claims)) + "\n"


def _bullet(claim: Claim) -> str:
    verdict = supported_in_words(claim.supported).capitalize()
    reason = f": {escape.markdown(claim.reason)}" if claim.reason else ""
    return f"- {escape.markdown(claim.text)} **{verdict}**{reason} ({escape.markdown(claim.when)})"


def _item(claim: Claim) -> str:
    verdict = supported_in_words(claim.supported)
    reason = f": {escape.tex(claim.reason)}" if claim.reason else ""
    condition = rf"(\texttt{{{escape.tex(claim.when)}}})"
    return rf"\item {{}}{escape.tex(claim.text)} \textbf{{{verdict.capitalize()}}}{reason} {condition}."
