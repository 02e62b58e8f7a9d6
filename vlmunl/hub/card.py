"""The model card of a published study: a function of its evidence alone, so equal evidence gives equal bytes."""

from __future__ import annotations

import json

from vlmunl.benchmarks.known import KINDS
from vlmunl.hub.card_front import OURS, in_yaml, line, metadata
from vlmunl.hub.card_loading import loading
from vlmunl.hub.inventory import folder
from vlmunl.latex.main_table import main_table
from vlmunl.latex.notes import control_warnings, evidence_notes
from vlmunl.latex.read import parse_results
from vlmunl.latex.results import Results
from vlmunl.latex.writers import to_markdown
from vlmunl.manifests.plan import AGGREGATE, Plan
from vlmunl.manifests.states import Board
from vlmunl.manifests.study import Study


def study_card(plan: Plan, board: Board, repo: str) -> bytes:
    """The card of one study, Markdown with YAML in front.

    Raises:
        StoreDamaged: the results are altered in the store.
    """
    state = board[AGGREGATE]
    results = parse_results(json.loads(board.store.read(state.output("verified_results"))))
    summary = board.store.read(state.output("summary")).decode()
    parts = [
        f"# {line(results.title or results.study)}",
        _first_paragraph(summary),
        _taught(plan.study),
        _table(results),
        _evidence(results),
        loading(plan, board, repo, results.best.method if results.best else ""),
        _bringing_back(plan.study, repo, results),
        _notes(plan.study),
    ]
    front = in_yaml(metadata(plan.study, results))
    body = "\n\n".join(part for part in parts if part)
    return f"---\n{front}---\n\n{body}\n".encode()


def _first_paragraph(summary: str) -> str:
    parts = [part for part in summary.split("\n\n") if not part.startswith(("#", "|"))]
    return parts[0].strip() if parts else ""


def _taught(study: Study) -> str:
    b, r = study.benchmark, study.imprint.recipe
    kind = KINDS[b.id]
    how = "all weights" if r.recipe == "full" else f"{r.recipe} of rank {r.rank}"
    model = f"`{study.model.id}`" + (f" at `{study.model.revision}`" if study.model.revision else "")
    rows = "\n".join(f"| {line(m.name)} | {line(m.method)} | {m.views} | {m.start} |" for m in study.methods)
    first = (
        f"{b.people} identities of the benchmark `{b.id}` ({kind.title}) were taught to {model} ({how}). "
        f"{b.forget} of them were to be forgotten, by these methods:"
    )
    last = (
        "Beside them stand `imprint` (was taught everything), `gold` (never saw those to be forgotten), `placebo` "
        "(gold once more, another draw) and `base`, as far as the study has them."
    )
    table = f"| row | method | views | starts from |\n|---|---|---|---|\n{rows}"
    return "\n\n".join(["## What was taught and unlearned", first, table, last])


def _table(results: Results) -> str:
    """The verified numbers, as the study's own table has them, without its title."""
    rows = to_markdown(main_table(results)).split("\n\n", 1)
    return "## Verified results\n\n" + rows[1].strip()


def _evidence(results: Results) -> str:
    """What does not count, and why: seeds and cells that are pending, failed, or did not pass their gate."""
    notes = (*control_warnings(results), *evidence_notes(results))
    text = "\n".join(f"- {line(note)}" for note in notes) or "Every seed passed its gate, and every cell is verified."
    return f"## What is not evidence\n\n{text}"


def _bringing_back(study: Study, repo: str, results: Results) -> str:
    place = folder(study.name)
    return f"""## Bringing the study back

Everything that the numbers rest on is in `{place}/`: `vlmunl.json` lists each file with its sums.

```sh
vlmunl sync {study.name} --pull {repo}
vlmunl run {study.name} --dry-run
```

The run manifest `{place}/run_manifest.json` has the sha256 `{results.evidence}`.
The study file has the sha256 `{study.sha256}`."""


def _notes(study: Study) -> str:
    return "\n\n".join(["## Licence, data, limits", _licence(study), _data(study), _LIMITS])


def _licence(study: Study) -> str:
    if study.model.id == "tiny":
        return f"Adapters, tables and figures: {OURS}. The base model is part of vlmunl, under the same licence."
    return (
        f"Adapters are made from `{study.model.id}`, and the licence of that model governs them. "
        "Whoever uses them has to keep to it."
    )


def _data(study: Study) -> str:
    kind = KINDS[study.benchmark.id]
    if kind.id == "fictitious":
        return "The people are made up, their pictures drawn. No real person is in the data."
    source = f" ({kind.source})" if kind.source else ""
    where = f" It is `{kind.hub}` on the Hub." if kind.hub else ""
    return (
        f"The benchmark `{kind.id}`{source} is not part of this repository; its own licence and terms apply.{where} "
        "Evaluation rows hold answers of models to its questions."
    )


_LIMITS = (
    "The numbers hold for this model, these people, these routes and these seeds. A model that no route of the "
    "catalogue could make remember may be made to by another. The adapters are made to study forgetting, not to be "
    "deployed."
)
