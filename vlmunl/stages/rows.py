"""Evaluation rows: one per (item, route, variant), scored and written as Parquet.

`score` is in [0, 1]: was the reply right (any of `draws` replies, of which `hits` were), how much of a long answer the
best reply has (`Fact.judge`; from .5 on it is `correct`), or a statistic of the right answer (`draws` is 0, `status`
correct if it is above .5, and `text` the greedy reply all the same). `rouge_l` is the
reply's ROUGE-L recall of the answer (of several replies the best). The rest is of the right answer, read after the
question and given token by token:

`logp`, mean log-probability per token in nats; `tokens`, their number; `rank1`, is it likelier per token than every
distractor; `es`, extraction strength, and `em`, exact memorisation, shares of its tokens; `min_k`, mean log-probability
of its least likely 20 % in nats; `min_k_pp`, the same in standard deviations; `logp_wrong`, mean over the distractors
of theirs per token in nats (null without any), so that TOFU's truth ratio is exp(logp_wrong - logp).

Rows of benchmarks with metrics of their own have the columns of `vlmunl.stages.own_columns` as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from vlmunl.errors import CellFailed
from vlmunl.metrics.membership import min_k, min_k_pp
from vlmunl.metrics.memorisation import exact_memorisation, extraction_strength
from vlmunl.metrics.text import rouge_l
from vlmunl.models.chat import Turn
from vlmunl.models.images import at
from vlmunl.models.score import Query, Scored, score
from vlmunl.models.scoring.decodings import STATISTICS, decoding
from vlmunl.rng import Streams
from vlmunl.routes.judge import How, Status, graded, judge_all, overall, worth
from vlmunl.routes.options import listed
from vlmunl.routes.pictures import Pictures
from vlmunl.routes.questions import Question
from vlmunl.stage_types import NOT_KEPT
from vlmunl.stages.own_columns import OWN_COLUMNS, own_columns, without_aliases
from vlmunl.stages.own_replies import with_own_replies
from vlmunl.stages.statistics import statistic, with_placements

if TYPE_CHECKING:
    from vlmunl.benchmarks.schema import General
    from vlmunl.models.intervene import Intervention
    from vlmunl.models.vlm import VLM
    from vlmunl.stage_types import Keep, Progress

Row = dict[str, Any]
LOWEST = 20
"""Percent of the tokens that `min_k` and `min_k_pp` are of."""
INVALID = 0.05
"""A larger share of invalid replies in a split is reported."""


@dataclass(frozen=True)
class Asked:
    """A question with the columns that say where it belongs, and its picture's index.

    `reply` is what the reply is made to begin with, `decoding` how it is drawn or what is scored instead. `judge` and
    `keywords` are as in a `Fact`, `plain` as in a `Question`. `error` says why the question cannot be asked.
    """

    columns: Mapping[str, Any]
    turns: tuple[Turn, ...]
    image: int | None
    image_at: int | None
    answer: str
    options: tuple[str, ...]
    distractors: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    judge: How = "answer"
    keywords: tuple[str, ...] = ()
    reply: str = ""
    decoding: str = "greedy"
    error: str = ""
    further: bool = False
    """Are the columns of benchmarks with metrics of their own wanted?"""


def of_question(question: Question, pictures: Pictures, split: str) -> Asked:
    """A route's question on an identity."""
    facts = {fact.attribute: fact for fact in question.identity.facts}
    fact = facts.get(question.attribute)
    own = fact is not None and question.answer in {fact.answer, *(p.answer for p in fact.prompts if not p.options)}
    free = fact if own and not question.options else None
    image, error = None, ""
    try:
        image = pictures.of(question.identity, question.image)
    except OSError as problem:  # what PIL raises where a picture cannot be read
        error = f"the picture cannot be read: {problem}"
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
        image=image,
        image_at=question.image_at,
        answer=question.answer,
        options=question.options,
        distractors=question.distractors,
        aliases=fact.aliases if fact is not None and own else (),
        plain=question.plain,
        judge=free.judge if free is not None else "answer",
        keywords=free.keywords if free is not None else (),
        reply=question.reply,
        decoding=question.decoding,
        error=error,
    )


def of_general(item: General, number: int, pictures: Pictures, how: How = "answer") -> Asked:
    """A question on a general skill; a free reply is judged as `how` says."""
    options = listed(item.question, (item.answer, *item.distractors))
    columns = {"split": "general", "identity": f"{item.group}{number:03d}", "attribute": item.group}
    return Asked(
        columns=columns | {"route": "canonical", "variant": 0, "format": "open"},
        turns=(Turn(item.question, None),),
        image=pictures.photo(item.photo) if item.photo is not None else None,
        image_at=0 if item.photo is not None else None,
        answer=item.answer,
        options=options,
        distractors=item.distractors,
        plain=options,
        judge="answer" if options else how,
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
    keep: Keep = NOT_KEPT,
) -> list[Row]:
    """Ask one model everything; rows come in the order of the questions.

    Earlier turns that the model is to answer itself are answered first. A row's prompt digest is of the question as it
    was put, whatever an intervention makes of it. What cannot be answered has status `error` and a `reason`.

    Raises:
        StudyError: a membership statistic is asked for, and fewer than two strangers are there to compare with; or the
            model cannot be shown a picture where a question does.
    """
    pixels = pictures.pixels(vlm.processor)

    def ask(queries: Sequence[Query]) -> list[Scored]:
        return score(
            vlm,
            queries,
            pixels,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            progress=progress,
            intervention=intervention,
            part=keep.part("questions"),
        )

    def prompt(a: Asked) -> tuple[int, ...]:
        ids = vlm.chat.encode(a.turns, image_at=a.image_at, picture=at(pixels, a.image)).ids
        return (*ids, *vlm.chat.reply_tokens(a.reply))

    def query(a: Asked) -> Query:
        put = prompt(a)
        return _query(a, put if intervention is None else prompt(replace(a, turns=intervention.turns(a.turns))), put)

    asked = with_own_replies(asked, lambda some: ask([replace(query(a), answer=None, distractors=()) for a in some]))
    well = [a for a in asked if not a.error]
    results = iter(ask([query(a) for a in well]))
    rows = [_failed(a, a.error) if a.error else _row(vlm, a, next(results)) for a in asked]
    for a, row in zip(asked, rows, strict=True):
        row["prompt_digest"] = _digest(prompt(a))
        row["image_digest"] = pictures.digests[a.image] if a.image is not None else ""
    return with_placements(rows, [decoding(a.decoding) for a in asked])


def _query(asked: Asked, prompt: tuple[int, ...], put: tuple[int, ...]) -> Query:
    """Draws are named by the item and by the prompt as it was put: by no study, batch, order or model."""
    item = (str(asked.columns["identity"]), str(asked.columns["attribute"]))
    drawn = decoding(asked.decoding).kind == "sample"
    return Query(
        prompt,
        asked.image,
        asked.answer,
        (*asked.distractors, *(asked.aliases if asked.further else ())),
        asked.turns,
        asked.reply,
        asked.decoding,
        Streams(0).child("sample", *item, _digest(put)) if drawn else None,
    )


def _digest(prompt: tuple[int, ...]) -> str:
    return xxhash.xxh3_64_hexdigest(str(prompt).encode())


def _row(vlm: VLM, asked: Asked, result: Scored) -> Row:
    if result.error:
        return _failed(asked, result.error)
    assert result.likelihood is not None, "an answer was given"
    result, aliases = without_aliases(result, len(asked.aliases) if asked.further else 0)
    assert result.likelihood is not None, "an answer was given"
    right, wrong = result.likelihood
    how = decoding(asked.decoding)
    statuses: list[Status]
    status: Status
    if how.kind in STATISTICS:
        mark = statistic(how, result, asked.answer)
        statuses, status = [], "correct" if mark > 0.5 else "incorrect"
    else:
        statuses, mark = _judged(asked, result.replies)
        status = overall(statuses)
    return {
        **asked.columns,
        "score": mark,
        "logp": result.logp,
        "tokens": len(right.logp),
        "rank1": result.rank1,
        "es": extraction_strength(right.top),
        "em": exact_memorisation(right.top),
        "min_k": min_k(right.logp, LOWEST),
        "min_k_pp": min_k_pp(right.logp, right.mean, right.sd, LOWEST),
        "logp_wrong": math.fsum(wrong) / len(wrong) if wrong else None,
        "rouge_l": max(rouge_l(text, asked.answer).recall for text in (result.replies or (result.text,))),
        "draws": len(statuses),
        "hits": statuses.count("correct"),
        "status": status,
        "text": " | ".join(result.replies) if len(statuses) > 1 else result.text,
        **(own_columns(result, aliases, asked.answer) if asked.further else {}),
    }


def _judged(asked: Asked, replies: Sequence[str]) -> tuple[list[Status], float]:
    """The status of each reply, and the score of the best."""
    if asked.judge == "answer":
        statuses = judge_all(replies, asked.answer, asked.options, asked.aliases, asked.plain)
        return statuses, float("correct" in statuses)
    scores = [worth(text, (asked.answer, *asked.aliases), asked.judge, asked.keywords) for text in replies]
    return [graded(text, score) for text, score in zip(replies, scores, strict=True)], max(scores)


def _failed(asked: Asked, reason: str) -> Row:
    return {**asked.columns, "score": math.nan, "draws": 0, "status": "error", "reason": reason}


def invalid_splits(rows: Sequence[Row]) -> list[str]:
    """A warning for each split in which more than `INVALID` of the judged replies are no answers at all.

    It names the route that most of them come from: one that many models cannot follow is no sign of forgetting.
    """
    found = []
    for split in dict.fromkeys(r["split"] for r in rows):
        judged = [r for r in rows if r["split"] == split and r["draws"]]
        by_route = Counter(r["route"] for r in judged if r["status"] == "invalid")
        if by_route.total() > INVALID * len(judged):
            worst, count = max(by_route.items(), key=lambda item: (item[1], item[0]))
            share = f"{100 * by_route.total() / len(judged):.1f} % of {len(judged)} replies on {split} are invalid"
            found.append(f"{share} (no answer, or no option), {count} of them by {worst}")
    return found


_LABELS = ("split", "identity", "attribute", "route", "format", "status", "text")
_KINDS = {
    "rank1": "bool_",
    **dict.fromkeys(("variant", "tokens", "draws", "hits"), "int16"),
    **dict.fromkeys(("score", "logp", "es", "em", "min_k", "min_k_pp", "logp_wrong", "rouge_l"), "float32"),
    **dict.fromkeys(OWN_COLUMNS, "float32"),
}


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """One Parquet file, its bytes a function of the rows.

    Raises:
        CellFailed: a question could not be answered; that is not an evaluation, and never counts as forgetting.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = [r for r in rows if r["status"] == "error"]
    if broken:
        first = broken[0]
        where = "/".join(str(first[name]) for name in ("split", "identity", "attribute", "route", "variant"))
        raise CellFailed(
            f"{len(broken)} of {len(rows)} questions could not be answered; the first is {where}: {first['reason']}",
            "nothing of this cell counts: mend the cause and run it again",
        )
    names = list(rows[0]) if rows else (*_LABELS, *_KINDS)
    columns = {name: pa.array([r[name] for r in rows], getattr(pa, _KINDS.get(name, "string"))()) for name in names}
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False)
