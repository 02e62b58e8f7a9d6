"""`docs/routes.md`: every route from its declaration, for a reader or a paper's appendix. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vlmunl.methods.markdown import escaped
from vlmunl.routes.explain import TIERS, example, said
from vlmunl.routes.route import Route

HEAD = """# Recovery routes

What `vlmunl routes --markdown` makes of the declarations in `vlmunl/routes/declared/`; not edited by hand. A route is
one way to ask for a fact. Its tier says what whoever asks must have, its budget how many replies an item costs, and its
leak what the question itself gives away of the person's facts: such a route means something only against a model that
never knew, asked in the same way. Examples are put on a made-up person, Mira Solden, born in Lima; a picture is shown
where it says so.
"""


def page(routes: Sequence[Route]) -> str:
    """One table for each tier, by family, then examples."""
    lines = [HEAD]
    for tier, what in TIERS.items():
        mine = [r for r in routes if r.tier == tier]
        if mine:
            lines += [f"## {tier}: {what}", "", *_table(mine), ""]
    lines += ["## Examples", "", *_examples(routes)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _ordered(routes: Sequence[Route]) -> list[Route]:
    """Routes of one family together, families as they first occur."""
    families = list(dict.fromkeys(r.family for r in routes))
    return sorted(routes, key=lambda r: families.index(r.family))


def _table(routes: Sequence[Route]) -> Iterator[str]:
    yield "| route | family | format | budget | what it does | leak | source |"
    yield "|---|---|---|---|---|---|---|"
    for r in _ordered(routes):
        cells = (r.family, r.format, str(r.budget), r.description, r.leak or "–", r.source)
        yield f"| {escaped(r.id)} | {' | '.join(map(escaped, cells))} |"


def _examples(routes: Sequence[Route]) -> Iterator[str]:
    for r in _ordered(routes):
        question = example(r)
        if question is not None and r.modality not in ("visual", "decoding", "model"):
            script = said(question).replace("\n", " / ")
            yield f"- **{escaped(r.id)}**: {escaped(script)} → {escaped(question.answer)}"
