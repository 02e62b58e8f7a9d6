"""How much faster is batched scoring than a loop that opens, preprocesses and generates question by question?

Both sides answer the same questions with the same embedded model on one thread, taken in turn; the answers must
be equal. Prints questions per second and their ratio.

Usage:  python benchmarks/score_throughput.py [--people 8] [--repeats 3]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from vlmunl.benchmarks.fictitious import build
from vlmunl.benchmarks.schema import Identity
from vlmunl.models.chat import Turn
from vlmunl.models.images import decode, pixel_values
from vlmunl.models.locate import locate
from vlmunl.models.score import Query, score
from vlmunl.models.vlm import VLM, load
from vlmunl.stages.configs import DataConfig

NEW_TOKENS = 8


def questions(people: tuple[Identity, ...]) -> list[tuple[int, str, str, tuple[str, ...]]]:
    """(person, question, answer, distractors): four held-back open wordings of every fact, with the photo."""
    return [
        (k, prompt.ask("this person"), fact.answer, fact.distractors)
        for k, person in enumerate(people)
        for fact in person.facts
        for prompt in fact.of("open", held=True)
    ]


def one_by_one(vlm: VLM, people: tuple[Identity, ...]) -> list[str]:
    """What an evaluation script does: for every question open the photo, preprocess, generate."""
    texts = []
    for k, question, _, _ in questions(people):
        content = [{"type": "image"}, {"type": "text", "text": question}]
        messages = [{"role": "user", "content": content}]
        text = vlm.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        inputs = vlm.processor(images=[decode(people[k].photos[0])], text=text, return_tensors="pt")
        tokens = vlm.model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
        reply = vlm.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        texts.append(reply.strip())
    return texts


def batched(vlm: VLM, people: tuple[Identity, ...]) -> list[str]:
    """The same through `score`, which also gives the likelihood and the rank of the right answer."""
    pixels = pixel_values(vlm.processor, [decode(p.photos[0]) for p in people])
    queries = [
        Query(tuple(vlm.chat.encode([Turn(q, None)], image_at=0).ids), k, answer, wrong)
        for k, q, answer, wrong in questions(people)
    ]
    return [r.text for r in score(vlm, queries, pixels, max_new_tokens=NEW_TOKENS, batch_size=128)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    vlm = load(locate("tiny", None, Path()))
    people = build(DataConfig(people=options.people, forget=1)).identities
    count = len(questions(people))
    slow, fast = [], []
    for _ in range(options.repeats):
        began = time.perf_counter()
        left = one_by_one(vlm, people)
        middle = time.perf_counter()
        right = batched(vlm, people)
        slow.append(middle - began)
        fast.append(time.perf_counter() - middle)
        if left != right:
            raise SystemExit(f"answers differ on {sum(a != b for a, b in zip(left, right, strict=True))} questions")
    print(f"{count} questions, best of {options.repeats}, one thread, equal answers")
    print(f"one by one  {count / min(slow):8.1f} questions/s")
    print(f"batched     {count / min(fast):8.1f} questions/s")
    print(f"ratio       {min(slow) / min(fast):8.1f}")


if __name__ == "__main__":
    main()
