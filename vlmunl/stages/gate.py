"""Stage `gate`: was the imprint really learned? Held-back paraphrases and the canonical question, in every format.

The record holds measurements. Thresholds are the study's policy and are applied when a status is derived.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlmunl.benchmarks import schema
from vlmunl.errors import StudyError
from vlmunl.metrics.chance import guess
from vlmunl.models import adapters
from vlmunl.models.vlm import VLM, load
from vlmunl.routes.asking import Asking, Traits
from vlmunl.routes.judge import HALF
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.route import Route
from vlmunl.stages.configs import FORMATS, Format
from vlmunl.stages.rows import Asked, Row, invalid_splits, of_question, score_rows, write_rows
from vlmunl.stages.sides import people

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import Benchmark, Identity
    from vlmunl.stage import Context
    from vlmunl.stages.configs import GateConfig

HELD, TRAINED = (4, 5, 6, 7), (0, 1, 2, 3)


def gate_routes(forms: Sequence[Format] = FORMATS, untaught: Collection[Format] = ()) -> tuple[Route, ...]:
    """For each format the held-back direct questions and the canonical one (true/false: a balanced four).

    The canonical question of an `untaught` format, which has held-back wordings alone, is the first of these.
    """
    return tuple(r for form in forms for r in (_route(f"gate_{form}", form, HELD), _canonical(form, form in untaught)))


def _canonical(form: Format, untaught: bool) -> Route:
    wordings = HELD if untaught else TRAINED
    return _route(f"canonical_{form}", form, wordings if form == "truefalse" else wordings[:1])


def _route(name: str, form: Format, ask: tuple[int, ...]) -> Route:
    return Route(
        id=name,
        family="gate",
        modality="canonical",
        description="",
        source="",
        format=form,
        ask=ask,
        image=("photo:0",),
    )


def run(config: GateConfig, ctx: Context) -> Mapping[str, object]:
    """Write `rows.parquet`; the metrics hold, per format, the hits of every item and the canonical accuracies.

    Without a gold model the rows of `chance` stand in its place.

    Raises:
        StudyError: nobody can be asked anything.
    """
    benchmark = schema.load(ctx.input("benchmark"))
    asked_people = people(benchmark, config.tuning).forget
    asking = gate_asking(benchmark, asked_people)
    rows: list[Row] = []
    warnings: list[str] = []
    for role in (role for role in ("imprint", "gold") if role in ctx.inputs):
        vlm = load(ctx.input("base"), config.loading)
        vlm = VLM(adapters.merge(vlm.model, ctx.input(role)), vlm.processor)
        pictures = Pictures(benchmark.retain)
        asked = [of_question(question, pictures, "forget") for question in asking.of(asked_people)]
        found = score_rows(
            vlm,
            asked,
            pictures,
            max_new_tokens=config.max_new_tokens,
            batch_size=config.batch_size,
            progress=ctx.progress,
            keep=ctx.keep,
        )
        rows += [{"model": role, **row} for row in found]
        warnings += [f"{role}: {warning}" for warning in invalid_splits(found)]
        if "gold" not in ctx.inputs:
            rows += _by_chance(asked, found)
    write_rows(rows, ctx.out / "rows.parquet")
    measured = {form: part for form in FORMATS if (part := _measured(rows, form, asked_people))}
    return {"formats": measured, "warnings": warnings}


def gate_asking(benchmark: Benchmark, asked_people: Sequence[Identity]) -> Asking:
    """The gate's questions on these people: formats that the benchmark neither has nor can be asked in are absent.

    Raises:
        StudyError: that leaves none.
    """
    traits = Traits.of(benchmark)
    forms = [form for form in FORMATS if form in traits.forms or "open" in traits.forms or form == "truefalse"]
    prompts = {(p.form, p.index) for i in benchmark.identities for fact in i.facts for p in fact.prompts}
    untaught = {form for form in traits.forms if not prompts & {(form, index) for index in TRAINED}}
    asking = Asking(benchmark, gate_routes(forms, untaught), asked_people)
    if not asking.routes:
        raise StudyError(f"benchmark {benchmark.name} has nothing to ask the people to forget about")
    return asking


def _by_chance(asked: Sequence[Asked], answered: Sequence[Row]) -> Iterator[Row]:
    """The same questions as a guess answers them: rows of a model `chance`, which has a score and nothing else."""
    for question, row in zip(asked, answered, strict=True):
        nothing: Row = {name: None for name in row if name not in question.columns}
        digests = {name: row[name] for name in ("prompt_digest", "image_digest")}
        score = guess(row["format"], question.options)
        yield {"model": "chance", **row, **nothing, **digests, "score": score, "status": "chance", "text": ""}


def _measured(rows: Sequence[Row], form: Format, identities: Sequence[Identity]) -> dict[str, Any]:
    """The hits on each item's held-back wordings, or on its trained one where there are none, and the canonical
    accuracies. Where items differ, `attributes` and `asked` (the number of wordings) are by person as the hits are,
    `n` is the largest number, and `trained_only` counts the items that the trained wording decides.
    """
    table: dict[tuple[str, str, str, str], list[float]] = {}
    for r in rows:
        table.setdefault((r["model"], r["route"], r["identity"], r["attribute"]), []).append(r["score"])

    def scores(model: str, route: str, identity: str, attribute: str) -> list[float]:
        return table.get((model, f"{route}_{form}", identity, attribute), [])

    def deciding(identity: str, attribute: str) -> list[float]:
        return scores("imprint", "gate", identity, attribute) or scores("imprint", "canonical", identity, attribute)

    listed = {
        i.id: [f.attribute for f in i.facts if scores("imprint", "canonical", i.id, f.attribute)] for i in identities
    }
    items = {person: attributes for person, attributes in listed.items() if attributes}
    if not items:
        return {}
    asked = {p: [len(deciding(p, a)) for a in attributes] for p, attributes in items.items()}
    counts = sorted({n for numbers in asked.values() for n in numbers})
    trained = sum(not scores("imprint", "gate", p, a) for p, attributes in items.items() for a in attributes)
    alike = len(counts) == 1 and len({tuple(a) for a in items.values()}) == 1
    return {
        "n": counts[-1],
        "attributes": next(iter(items.values())) if alike else items,
        **({} if len(counts) == 1 else {"asked": asked}),
        **({"trained_only": trained} if trained else {}),
        "hits": {p: [sum(s >= HALF for s in deciding(p, a)) for a in attributes] for p, attributes in items.items()},
        **{
            f"canonical_{model}": {
                p: [mean(scores(model, "canonical", p, a)) for a in attributes] for p, attributes in items.items()
            }
            for model in ("imprint", "gold", "chance")
            if any(r["model"] == model for r in rows)
        },
    }


def mean(values: Sequence[float]) -> float:
    """The mean of some numbers."""
    return sum(values) / len(values)
