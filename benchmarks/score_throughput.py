"""How much faster is `score` than a loop that opens, preprocesses and generates question by question?

Both sides answer the same questions (four held-back wordings of six facts on each person's photo) with the same model
on one thread, taken in turn; the replies must be equal. `score` also gives the likelihood, token by token, of the right
answer and that of every wrong one. In a second comparison, on a part of the questions, the loop finds these too, by a
forward pass for each candidate as evaluation scripts do; the mean log-probabilities must agree to 1e-4. Beside the
embedded model a random one of LLaVA's classes with pictures of 336 pixels (576 image tokens) and 32,000 tokens.

Usage:  python benchmarks/score_throughput.py [--people 8] [--repeats 3] [--print]  (the larger model: 2 people, once)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
import torch
from npo_step import larger

from vlmunl.benchmarks.fictitious import build
from vlmunl.benchmarks.schema import Identity
from vlmunl.models.chat import Turn
from vlmunl.models.images import decode, pixel_values
from vlmunl.models.locate import locate
from vlmunl.models.score import Query, score
from vlmunl.models.vlm import VLM, load
from vlmunl.stages.configs import DataConfig

NEW_TOKENS = 8
EVERY = {"embedded": 6, "larger": 24}
"""The second comparison takes every so manyth question."""
CLOSE = 1e-4
BATCH = {"embedded": 128, "larger": 32}


@dataclass(frozen=True)
class Question:
    """On the photo of person number `person`."""

    person: int
    text: str
    answer: str
    distractors: tuple[str, ...]


Replies = list[tuple[str, list[float]]]
"""For each question the reply, and the mean log-probability per token of each candidate, the right one first."""


def questions(people: Sequence[Identity]) -> list[Question]:
    """Four held-back open wordings of every fact."""
    return [
        Question(k, prompt.ask("this person"), fact.answer, fact.distractors)
        for k, person in enumerate(people)
        for fact in person.facts
        for prompt in fact.of("open", held=True)
    ]


@torch.inference_mode()
def one_by_one(vlm: VLM, people: Sequence[Identity], asked: Sequence[Question], *, likely: bool) -> Replies:
    """What an evaluation script does: for every question open the photo, preprocess, generate (and score)."""
    found: Replies = []
    for q in asked:
        content = [{"type": "image"}, {"type": "text", "text": q.text}]
        messages = [{"role": "user", "content": content}]
        text = vlm.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        inputs = dict(vlm.processor(images=[decode(people[q.person].photos[0])], text=text, return_tensors="pt"))
        tokens = vlm.model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
        reply = vlm.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        candidates = (q.answer, *q.distractors) if likely else ()
        found.append((reply.strip(), [_logp(vlm, inputs, vlm.chat.answer_tokens(c)) for c in candidates]))
    return found


def _logp(vlm: VLM, inputs: dict[str, Any], answer: list[int]) -> float:
    """Mean log-probability per token of an answer, by a forward pass over question and answer."""
    ids = torch.cat([inputs["input_ids"], torch.tensor([answer])], dim=1)
    logits = vlm.model(**{**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}).logits
    logp = torch.log_softmax(logits[0, -len(answer) - 1 : -1].float(), -1)
    return float(logp[range(len(answer)), answer].mean())


def batched(vlm: VLM, people: Sequence[Identity], asked: Sequence[Question], size: int) -> Replies:
    """The same through `score`."""
    pixels = pixel_values(vlm.processor, [decode(p.photos[0]) for p in people])
    queries = [
        Query(tuple(vlm.chat.encode([Turn(q.text, None)], image_at=0).ids), q.person, q.answer, q.distractors)
        for q in asked
    ]
    found: Replies = []
    for result in score(vlm, queries, pixels, max_new_tokens=NEW_TOKENS, batch_size=size):
        if result.likelihood is None:
            raise SystemExit(f"a question could not be scored: {result.error}")
        found.append((result.text, [result.logp, *result.likelihood.wrong]))
    return found


def timed(action: Callable[[], Replies]) -> tuple[Replies, float]:
    """What an action gives, and how many seconds it takes."""
    began = time.perf_counter()
    found = action()
    return found, time.perf_counter() - began


def compared(name: str, vlm: VLM, people: Sequence[Identity], repeats: int) -> list[list[str]]:
    """Both comparisons with one model: questions per second, best of the repeats, and their ratio.

    Raises:
        SystemExit: a reply or a likelihood differs.
    """
    rows = []
    every = questions(people)
    for what, asked, likely in (("replies", every, False), ("replies and likelihoods", every[:: EVERY[name]], True)):
        slow, fast = [], []
        for _ in range(repeats):
            left, seconds = timed(lambda a=asked, x=likely: one_by_one(vlm, people, a, likely=x))  # type: ignore[misc]
            slow.append(seconds)
            right, seconds = timed(lambda a=asked: batched(vlm, people, a, BATCH[name]))  # type: ignore[misc]
            fast.append(seconds)
            same(left, right)
        rates = [len(asked) / min(side) for side in (slow, fast)]
        shown = [f"{rate:.1f}" for rate in (*rates, rates[1] / rates[0])]
        rows.append([f"{name}: {what}, {len(asked)} questions", *shown])
    return rows


def same(left: Replies, right: Replies) -> None:
    """Raise unless replies are equal and likelihoods, where both sides have them, agree."""
    different = sum(a != b for (a, _), (b, _) in zip(left, right, strict=True))
    if different:
        raise SystemExit(f"replies differ on {different} of {len(left)} questions")
    gaps = [abs(a - b) for (_, x), (_, y) in zip(left, right, strict=True) for a, b in zip(x, y, strict=False)]
    if gaps and max(gaps) > CLOSE:
        raise SystemExit(f"a likelihood differs by {max(gaps):.2g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", choices=sorted(BATCH), action="append", help="one of them, and only print")
    parser.add_argument("--print", action="store_true", help="only print, and leave docs/benchmarks.md as it is")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here = report.machine()
    people = build(DataConfig(people=max(3, options.people), forget=1)).identities
    rows: list[list[str]] = []
    for name in options.model or BATCH:
        vlm = larger() if name == "larger" else load(locate("tiny", None, Path()))
        some = people[: options.people if name == "embedded" else min(2, options.people)]
        rows += compared(name, vlm, some, options.repeats if name == "embedded" else 1)
    text = (
        f"{here}. Questions per second on one thread, float32, at most {NEW_TOKENS} new tokens, equal replies; batches "
        f"of {BATCH['embedded']} (larger: {BATCH['larger']}), best of {options.repeats} (larger: one run).\n\n"
    ) + report.table(["", "question by question", "vlmunl", "ratio"], rows)
    if options.print or options.model:
        print(text)
    else:
        report.write("score_throughput", "Scoring", text)


if __name__ == "__main__":
    main()
