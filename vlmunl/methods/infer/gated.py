"""O3: one LoRA for each forget request, kept apart from the earlier ones, and switched on by a detector per question.

Gao et al., arXiv 2407.10223. Retained people are not used. The published detector judges by the distance to the
request's own data; here each request's questions are told from generic conversations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from vlmunl.benchmarks.schema import Identity
from vlmunl.errors import StudyError
from vlmunl.methods.infer.detector import Detector, judged, learn
from vlmunl.methods.infer.wrapping import Fitted, Train, joined, lora_of, needs_lora, pairs_of
from vlmunl.methods.lab import Lab
from vlmunl.models import adapters
from vlmunl.models.families import Seen
from vlmunl.models.images import Prepared
from vlmunl.models.intervene import Decision, Intervention
from vlmunl.models.score import Query
from vlmunl.models.update import Update
from vlmunl.models.vlm import VLM


@dataclass(frozen=True)
class Gated:
    """The people to be forgotten come in `requests` groups, one after the other.

    `orthogonal` is the weight of the penalty on what a LoRA shares with earlier ones. A question's adapters count by
    their detectors' probabilities, those below `threshold` not at all.
    """

    requests: float
    orthogonal: float
    threshold: float
    trains: bool = True

    def fit(self, lab: Lab, train: Train) -> Fitted:
        """Train an adapter and a detector for each request, by the recipe's terms.

        Raises:
            StudyError: the recipe has no terms or trains something else than LoRA, there is nothing generic to tell
                requests from, or a detector flags nothing.
        """
        needs_lora(lab)
        if not lab.config.recipe.terms:
            raise StudyError(f"{lab.config.method} has no terms to train its adapters by", "give the recipe terms")
        if self.requests < 1:
            raise StudyError(f"{lab.config.method} needs requests >= 1, not {self.requests:g}")
        tensors: dict[str, Tensor] = {}
        earlier: list[dict[str, Tensor]] = []
        curves, recall, alarms = [], [], []
        groups = split(lab.benchmark.forget, int(self.requests))
        for number, group in enumerate(groups):
            bench = _bench(lab, group, number)
            learned = learn(bench, ("general",), self.threshold)
            bench.rules.append(Apart(bench, tuple(earlier), self.orthogonal))
            curves.append(train(bench))
            lora = lora_of(bench)
            bench.trained.unload()
            earlier.append({n[:-2]: t for n, t in lora.items() if n.endswith(".a")})
            tensors |= {f"request{number}.{n}": t for n, t in lora.items()}
            tensors |= learned.detector.tensors(f"detector{number}.")
            recall.append(learned.recall)
            alarms.append(learned.false_alarms)
        lab.notes.update(requests=float(len(groups)), flagged_forget=min(recall), flagged_others=max(alarms))
        return Fitted({"requests": len(groups)}, tensors, joined(curves))

    def apply(self, vlm: VLM, fitted: Fitted) -> tuple[VLM, Intervention | None]:
        """The model with all adapters beside its layers, each row of a batch with its own share of them.

        Raises:
            KeyError: an adapter or a detector is missing.
        """
        numbers = range(int(fitted.facts["requests"]))
        detectors = [Detector.of(fitted.tensors, f"detector{n}.") for n in numbers]
        gating = _Gating(detectors, self.threshold)
        for number in numbers:
            pairs = pairs_of(fitted.tensors, f"request{number}.")
            if not pairs:
                raise KeyError(f"request{number}")
            for name, (a, b) in pairs.items():
                layer = vlm.model.get_submodule(name)
                layer.register_forward_hook(gating.hook(number, a.to(layer.weight), b.to(layer.weight)))
        return vlm, gating


def split(people: Sequence[Identity], requests: int) -> list[tuple[Identity, ...]]:
    """The people in so many groups of nearly one size (fewer if there are fewer people), in their order."""
    count = min(requests, len(people))
    edges = [round(k * len(people) / count) for k in range(count + 1)]
    return [tuple(people[a:b]) for a, b in pairwise(edges)]


def _bench(lab: Lab, group: Sequence[Identity], number: int) -> Lab:
    """The bench for one request: its people are all that is to be forgotten, and its streams are its own."""
    benchmark = dataclasses.replace(lab.benchmark, identities=(*group, *lab.benchmark.retain))
    streams = lab.streams.child("request", str(number))
    return dataclasses.replace(lab, benchmark=benchmark, streams=streams, trained=None, rules=[*lab.rules], probes=None)


@dataclass
class Apart:
    """Adds the gradient of `weight * sum ||A A_k^T||^2` over earlier adapters k, layer by layer, to the forget side."""

    lab: Lab
    earlier: Sequence[Mapping[str, Tensor]]
    weight: float

    def before(self, update: Update) -> None:
        """Push `A` (r, in) away from the rows of each earlier one."""
        if not self.earlier:
            return
        places = {id(weight): place for place, weight in enumerate(update.weights)}
        shared = 0.0
        for name, module in adapters.core(self.lab.trained).named_modules():
            if not hasattr(module, "lora_A") or "default" not in module.lora_A:
                continue
            mine = module.lora_A["default"].weight
            for other in (k[name].to(mine) for k in self.earlier):
                overlap = mine.detach() @ other.T
                shared += float(overlap.square().sum())
                update.gradients["forget"][places[id(mine)]] += 2 * self.weight * overlap @ other
        update.figures["shared_with_earlier"] = shared

    def after(self, update: Update) -> None:
        """Nothing."""


@dataclass
class _Gating(Intervention):
    detectors: Sequence[Detector]
    threshold: float
    shares: Tensor | None = field(default=None, init=False)

    def decide(self, queries: Sequence[Query], features: Seen | None, pixels: Prepared | None) -> list[Decision]:
        """Each question's share of every adapter, or nothing if all are off."""
        found = [[chance for chance, _ in judged(d, queries, features)] for d in self.detectors]
        shares = [tuple(c if c >= self.threshold else 0.0 for c in row) for row in zip(*found, strict=True)]
        return [row if any(row) else None for row in shares]

    def forward(self, decisions: Sequence[Decision]) -> AbstractContextManager[None]:
        """Inside, each row of the batch is answered with its own shares."""
        return self._open(torch.tensor([d or [0.0] * len(self.detectors) for d in decisions]))

    @contextmanager
    def _open(self, shares: Tensor) -> Iterator[None]:
        self.shares = shares
        try:
            yield
        finally:
            self.shares = None

    def hook(self, number: int, a: Tensor, b: Tensor) -> Any:
        """A forward hook that adds an adapter's answer `b a x`, by the share of each row."""

        def add(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if self.shares is None:
                return None
            share = self.shares[:, number].to(output)
            return output + share[:, None, None] * (inputs[0] @ a.T @ b.T)

        return add
