"""The answers as compressed columns: one part with the questions, one for each model and seed, opened when needed.

A part is base64 of zlib of JSON. Texts and prompts stand in lists of their own, the most frequent first.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

from vlmunl.report.answers import STATUSES, Answer, Answers, Item
from vlmunl.report.asked import Asked
from vlmunl.report.counting import Counting, counts


def packed(value: Any) -> str:
    """One part."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return base64.b64encode(zlib.compress(data, 9)).decode()


class _Words:
    """A list of texts, and the place of each."""

    def __init__(self, texts: Iterable[str]) -> None:
        counted = Counter(texts)
        self.list = sorted(counted, key=lambda text: (-counted[text], text))
        self.place = {text: i for i, text in enumerate(self.list)}


def parts(answers: Answers, asked: Asked, kept: Counting, forms: dict[str, str]) -> dict[str, str]:
    """`items` (questions, texts), and `MODEL/SEED` of every model; `forms` gives each route's answer format."""
    texts = _Words(answer.text for said in answers.by_model.values() for answer in said.values())
    found = {"items": packed(_items(answers, asked, kept, forms, texts))}
    for (model, seed), said in answers.by_model.items():
        found[f"{model}/{seed}"] = packed(_model([said.get(item) for item in answers.items], texts))
    return found


def _items(answers: Answers, asked: Asked, kept: Counting, forms: dict[str, str], texts: _Words) -> dict[str, Any]:
    words = [asked.words(item) for item in answers.items]
    prompts = _Words(word.prompt for word in words if word is not None)
    expected = _Words(word.expected for word in words if word is not None)
    names = {field: _Words(getattr(item, field) for item in answers.items) for field in ("identity", "attribute")}
    routes = list(dict.fromkeys(item.route for item in answers.items))
    digests = _digests(answers)
    seeds = sorted(kept)
    return {
        "texts": texts.list,
        "prompts": prompts.list,
        "answers": expected.list,
        "people": names["identity"].list,
        "facts": names["attribute"].list,
        "routes": routes,
        "person": [names["identity"].place[item.identity] for item in answers.items],
        "fact": [names["attribute"].place[item.attribute] for item in answers.items],
        "route": [routes.index(item.route) for item in answers.items],
        "variant": [item.variant for item in answers.items],
        "prompt": [prompts.place[w.prompt] if w is not None else -1 for w in words],
        "expected": [expected.place[w.expected] if w is not None else -1 for w in words],
        "digest": [" ".join(digests[item]) for item in answers.items],
        "counts": {
            str(seed): "".join("01"[counts(i, seed, forms.get(i.route, ""), kept)] for i in answers.items)
            for seed in seeds
        },
    }


def _digests(answers: Answers) -> dict[Item, tuple[str, ...]]:
    """The digest of the prompt that all models were sent; several where these differ."""
    found: dict[Item, tuple[str, ...]] = dict.fromkeys(answers.items, ())
    for said in answers.by_model.values():
        for item, answer in said.items():
            if answer.prompt and answer.prompt not in found[item]:
                found[item] = tuple(sorted((*found[item], answer.prompt)))
    return found


def _model(said: list[Answer | None], texts: _Words) -> dict[str, Any]:
    """Status by letter (`-`: not asked), the text's place, log-probability in hundredths, scores where graded."""
    status = "".join("-" if a is None else "cirxe"[_status(a)] for a in said)
    graded = {
        i: round(a.score, 4)
        for i, a in enumerate(said)
        if a is not None and math.isfinite(a.score) and a.score != float(a.status == "correct")
    }
    return {
        "status": status,
        "text": [-1 if a is None else texts.place[a.text] for a in said],
        "logp": [
            None if a is None or a.logp is None or not math.isfinite(a.logp) else round(100 * a.logp) for a in said
        ],
        "score": {str(i): score for i, score in graded.items()},
    }


def _status(answer: Answer) -> int:
    return STATUSES.index(answer.status) if answer.status in STATUSES else STATUSES.index("error")
