"""What every model answered to every question on the people to forget: columns that share one list of items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from vlmunl.collector import collector_paused
from vlmunl.metrics import chance
from vlmunl.rng import Streams
from vlmunl.trail.origin import Origin

if TYPE_CHECKING:
    import pyarrow as pa

Model = tuple[str, int]
"""A row of the results, and the seed."""
STATUSES = ("correct", "incorrect", "refusal", "invalid", "error")
_KEY = ("identity", "attribute", "route", "variant")
_SAID = ("score", "logp", "status", "text", "prompt_digest", "image_digest")
_SPLIT = "forget"


class Item(NamedTuple):
    """One question: who, which fact, by which route, in which of its variants."""

    identity: str
    attribute: str
    route: str
    variant: int


class Answer(NamedTuple):
    """One model's answer. `logp`: mean log-probability of the right answer per token, in nats."""

    score: float
    logp: float | None
    status: str
    text: str
    prompt: str
    image: str
    cell: str


@dataclass(frozen=True)
class Answers:
    """All answers, by (model, seed) and item; `asked` counts the questions that there are, of which `items` are kept.

    `cells` are those that were read for a (model, seed).
    """

    items: tuple[Item, ...]
    by_model: Mapping[Model, Mapping[Item, Answer]]
    asked: int
    cells: Mapping[Model, tuple[str, ...]] = field(default_factory=dict)

    def of(self, model: str, seed: int, item: Item) -> Answer | None:
        """The answer of a model, if it was asked."""
        return self.by_model.get((model, seed), {}).get(item)


def cells_of(origin: Origin) -> dict[Model, tuple[str, ...]]:
    """(model, seed) -> the verified cells with its rows: its evaluation and its attacks.

    The base model, which was scored once, stands under every seed that counts; so does chance in the place of gold.
    """
    found: dict[Model, list[str]] = {}
    for row, entry in origin.document.rows.items():
        for seed in entry["seeds"]:
            scored = "eval/base" if row == "base" else f"eval/{row}/seed{seed}"
            if row == "gold" and scored not in origin.cells:
                scored = chance.CELL
            names = [scored, *(name for name in origin.cells if name.startswith(f"attack/{row}/seed{seed}/"))]
            there = [name for name in names if name in origin.cells and origin.cells[name]["status"] == "verified"]
            if scored in there:
                found[row, int(seed)] = there
    return {model: tuple(names) for model, names in found.items()}


def read_answers(origin: Origin, routes: Sequence[str], most: int) -> Answers:
    """Read the rows of all verified cells that feed numbers; questions are ordered by route, person, fact and variant.

    Of more than `most` questions, that many are kept, drawn from the stream `report/items` (seed 0).

    Raises:
        StoreDamaged: rows are missing or altered in the store.
    """
    cells, known = cells_of(origin), _Known()
    with collector_paused():  # a million tuples, none of which refers to another
        tables = {
            name: dict(_rows(origin, name, known)) for name in dict.fromkeys(n for c in cells.values() for n in c)
        }
    place = {route: i for i, route in enumerate(routes)}
    order = sorted(known.items, key=lambda i: (place.get(i.route, len(place)), i))
    kept = order
    if len(order) > most:
        chosen = set(Streams(0).child("report", "items").python().sample(range(len(order)), most))
        kept = [item for i, item in enumerate(order) if i in chosen]
        wanted = set(kept)
        tables = {name: {i: said for i, said in rows.items() if i in wanted} for name, rows in tables.items()}
    return Answers(
        items=tuple(kept),
        by_model={
            model: tables[names[0]] if len(names) == 1 else {i: a for name in names for i, a in tables[name].items()}
            for model, names in cells.items()
        },
        asked=len(order),
        cells=cells,
    )


class _Known:
    """Items and texts that were met before: equal ones are one object, of which there are few."""

    def __init__(self) -> None:
        self.items: dict[Item, Item] = {}
        self._texts: dict[str, str] = {}

    def item(self, *parts: Any) -> Item:
        """The item of these parts."""
        item = Item(*parts)
        return self.items.setdefault(item, item)

    def text(self, text: str | None) -> str:
        """The text, or nothing."""
        return self._texts.setdefault(text, text) if text else ""


def _rows(origin: Origin, cell: str, known: _Known) -> Iterator[tuple[Item, Answer]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    record = origin.record(cell)
    table = pq.read_table(pa.BufferReader(origin.store.read(record.outputs["rows"])), filters=[("split", "=", _SPLIT)])
    columns = [_column(table, name) for name in (*_KEY, *_SAID)]
    for identity, attribute, route, variant, score, logp, status, *texts in zip(*columns, strict=True):
        answer = Answer(score, logp, known.text(status), *map(known.text, texts), cell)
        yield known.item(identity, attribute, route, variant), answer


def _column(table: pa.Table, name: str) -> list[Any]:
    return table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
