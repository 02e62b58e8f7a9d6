"""Evaluation rows: one per (item, route, variant), scored and written as Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from vlmunl.models.chat import Turn
from vlmunl.models.score import Query, score
from vlmunl.routes.judge import judge
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import Question

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import General
    from vlmunl.models.intervene import Intervention
    from vlmunl.models.vlm import VLM
    from vlmunl.stage_types import Progress

Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A question with the columns that say where it belongs, and its picture's index."""

    columns: Mapping[str, Any]
    turns: tuple[Turn, ...]
    image: int | None
    image_at: int | None
    answer: str
    options: tuple[str, ...]
    distractors: tuple[str, ...]


def of_question(question: Question, pictures: Pictures, split: str) -> Asked:
    """A route's question on an identity."""
    return Asked(
        columns={
            "split": split,
            "identity": question.identity.id,
            "attribute": question.attribute,
            "route": question.route,
            "variant": question.variant,
            "format": question.format,
        },
        turns=question.turns,
        image=pictures.of(question.identity, question.image),
        image_at=question.image_at,
        answer=question.answer,
        options=question.options,
        distractors=question.distractors,
    )


def of_general(item: General, number: int, pictures: Pictures) -> Asked:
    """A question on a general skill."""
    columns = {"split": "general", "identity": f"{item.group}{number:03d}", "attribute": item.group}
    return Asked(
        columns=columns | {"route": "canonical", "variant": 0, "format": "open"},
        turns=(Turn(item.question, None),),
        image=pictures.photo(item.photo) if item.photo is not None else None,
        image_at=0 if item.photo is not None else None,
        answer=item.answer,
        options=(),
        distractors=item.distractors,
    )


def score_rows(
    vlm: VLM,
    asked: Sequence[Asked],
    pictures: Pictures,
    *,
    max_new_tokens: int,
    batch_size: int,
    progress: Progress,
    intervention: Intervention | None = None,
) -> list[Row]:
    """Ask one model everything; rows come in the order of the questions.

    A row's prompt digest is of the question as it was put, whatever an intervention makes of it.
    """
    prompts = [tuple(vlm.chat.encode(a.turns, image_at=a.image_at).ids) for a in asked]
    queries = [_query(vlm, p, a, intervention) for p, a in zip(prompts, asked, strict=True)]
    results = score(
        vlm,
        queries,
        pictures.pixels(vlm.processor),
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        progress=progress,
        intervention=intervention,
    )
    rows: list[Row] = []
    for a, prompt, result in zip(asked, prompts, results, strict=True):
        status = judge(result.text, a.answer, a.options)
        rows.append(
            {
                **a.columns,
                "score": float(status == "correct"),
                "logp": result.logp,
                "tokens": len(vlm.chat.answer_tokens(a.answer)),
                "rank1": result.rank1,
                "status": status,
                "text": result.text,
                "prompt_digest": xxhash.xxh3_64_hexdigest(str(prompt).encode()),
                "image_digest": pictures.digests[a.image] if a.image is not None else "",
            }
        )
    return rows


def _query(vlm: VLM, prompt: tuple[int, ...], asked: Asked, intervention: Intervention | None) -> Query:
    if intervention is not None and (turns := intervention.turns(asked.turns)) != asked.turns:
        prompt = tuple(vlm.chat.encode(turns, image_at=asked.image_at).ids)
    return Query(prompt, asked.image, asked.answer, asked.distractors, asked.turns)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """One Parquet file, its bytes a function of the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "variant": pa.int16(),
        "score": pa.float32(),
        "logp": pa.float32(),
        "tokens": pa.int16(),
        "rank1": pa.bool_(),
    }
    columns = {name: pa.array([r[name] for r in rows], kinds.get(name, pa.string())) for name in rows[0]}
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False)
