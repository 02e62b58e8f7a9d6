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

OWN = """## A route of your own

A package registers routes by an entry point and may bring its own image change, rewrite or context: in a route's fields
a name with a dot is a function of a module. An image change is `f(picture, *numbers)` and gives a picture of the same
size, a rewrite `f(draft, *texts)` and gives the new text (or a draft with another answer, too), a context the same and
gives turns or sentences that come before. Bump `version` whenever the code changes: it is part of the catalogue's hash.
A study asks a plug-in's route where it says so: `[routes] include = ["mosaic"]`.

<!-- plugin:begin -->
```toml
# pyproject.toml
[project]
name = "vlmunl-mosaic"
version = "1.0"
[project.entry-points."vlmunl.routes"]
mosaic = "vlmunl_mosaic:ROUTE"
```

```python
# vlmunl_mosaic.py
from vlmunl.routes.route import Route

ROUTE = Route(
    id="mosaic",
    family="mosaic",
    modality="visual",
    description="the photo in squares of 8 pixels",
    source="mine",
    image=("photo:0 | vlmunl_mosaic.mosaic:8",),
    version=1,
)


def mosaic(image, side):
    return image.reduce(int(side)).resize(image.size, 0)
```
<!-- plugin:end -->
"""


def page(routes: Sequence[Route]) -> str:
    """One table for each tier, by family, then examples."""
    lines = [HEAD]
    for tier, what in TIERS.items():
        mine = [r for r in routes if r.tier == tier]
        if mine:
            lines += [f"## {tier}: {what}", "", *_table(mine), ""]
    lines += [OWN, "## Examples", "", *_examples(routes)]
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
