"""The model before unlearning, remembered per sample: a forward pass for each different one, and never a second model.

What is kept is what the losses declared: the total NLL of the answer (4 bytes), the last hidden states at its tokens
(from which the head, which is never trained, makes the exact logits again), or the states of an inner layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import xxhash
from torch import Tensor

from vlmunl.errors import StudyError
from vlmunl.keys import canonical
from vlmunl.models.answers import Out, States
from vlmunl.models.forward import Batch
from vlmunl.models.samples import Encoder, Sample

CHUNK = 64
"""Samples of one reference pass."""
Forward = Callable[[Batch, tuple[int, ...]], Out]


@dataclass(frozen=True)
class Kept:
    """What is known of one sample: `hidden` (n, H), and (k, H) of each layer."""

    tokens: Tensor
    total: Tensor
    hidden: Tensor | None
    layers: dict[int, Tensor]


@dataclass
class Reference:
    """Answers as the model gave them before unlearning.

    `untrained` switches the model back while it is asked, or refuses; `remember` asks in time, before weights change,
    and `release` lets the model go.
    """

    forward: Forward | None
    encoder: Encoder
    untrained: Callable[[], AbstractContextManager[None]]
    logits: bool
    layers: tuple[int, ...]
    device: torch.device
    head: Callable[[Tensor], Tensor] | None = None
    _kept: dict[Sample, Kept] = field(default_factory=dict)
    _told: dict[bytes, Kept] = field(default_factory=dict)

    @property
    def released(self) -> bool:
        """Is what is remembered all that can be asked?"""
        return self.forward is None

    def release(self) -> None:
        """Hold the model no longer, but for its head, which makes logits of what is remembered."""
        self.forward, self.untrained = None, nullcontext

    def remember(self, samples: Iterable[Sample]) -> None:
        """Ask for all samples that are not known yet.

        Raises:
            StudyError: the model was released, so that it cannot be asked any more.
        """
        new = [s for s in dict.fromkeys(samples) if s not in self._kept and not self._was_told(s)]
        if not new:
            return
        if self.forward is None:
            raise StudyError("the reference is asked for a sample that was not foreseen, and its model is gone")
        for start in range(0, len(new), CHUNK):
            chunk = new[start : start + CHUNK]
            with self.untrained(), torch.no_grad():
                out = self.forward(self.encoder.batch(chunk), self.layers)
                self.head = out.head
                self._keep(chunk, out)

    def state(self) -> Mapping[bytes, Any]:
        """What is remembered, by a digest of each sample; of a released one nothing, since it is made at the start."""
        if self.released:
            return {}
        known = {_name(sample): kept for sample, kept in self._kept.items()}
        return {name: (k.tokens, k.total, k.hidden, k.layers) for name, k in (self._told | known).items()}

    def resume(self, state: Mapping[bytes, Any]) -> None:
        """Remember what another one was asked."""

        def here(value: Tensor | None) -> Any:
            return None if value is None else value.to(self.device)

        for name, (tokens, total, hidden, layers) in state.items():
            states = {n: here(values) for n, values in layers.items()}
            self._told[name] = Kept(here(tokens), here(total), here(hidden), states)

    def _was_told(self, sample: Sample) -> bool:
        """Take a sample over from what was resumed, if it is there."""
        kept = self._told.get(_name(sample)) if self._told else None
        if kept is not None:
            self._kept[sample] = kept
        return kept is not None

    def _keep(self, samples: Sequence[Sample], out: Out) -> None:
        for row, sample in enumerate(samples):
            mine = out.rows == row
            layers = {n: s.values[s.rows == row].clone() for n, s in out.layers.items()}
            hidden = out.hidden[mine].clone() if self.logits and out.hidden is not None else None
            self._kept[sample] = Kept(out.tokens[mine].clone(), out.total[row].clone(), hidden, layers)

    def of(self, samples: Sequence[Sample]) -> Out:
        """The reference's answers to these samples, in their order."""
        self.remember(samples)
        kept = [self._kept[s] for s in samples]
        device = self.device
        rows = torch.cat([torch.full((len(k.tokens),), i, device=device) for i, k in enumerate(kept)])
        hidden = [k.hidden for k in kept if k.hidden is not None]
        return Out(
            tokens=torch.cat([k.tokens for k in kept]),
            rows=rows,
            samples=len(kept),
            hidden=torch.cat(hidden) if hidden else None,
            head=self._frozen_head,
            layers={n: self._states(kept, n) for n in self.layers},
            known_total=torch.stack([k.total for k in kept]),
        )

    def _states(self, kept: Sequence[Kept], layer: int) -> States:
        parts = [k.layers[layer] for k in kept]
        rows = torch.cat([torch.full((len(p),), i, device=self.device) for i, p in enumerate(parts)])
        return States(torch.cat(parts), rows)

    def _frozen_head(self, hidden: Tensor) -> Tensor:
        assert self.head is not None
        with torch.no_grad():
            return self.head(hidden)


def _name(sample: Sample) -> bytes:
    """Digest of a sample's turns and picture."""
    words = canonical([list(turn) for turn in sample.turns])
    digest: bytes = xxhash.xxh3_128_digest(words + b"\0" + (sample.photo or b"no picture"))
    return digest


def wanted(needs: Iterable[str]) -> tuple[bool, bool, bool]:
    """(is there any reference to be asked, its logits, its inner layer) for these needs."""
    found = [need for need in needs if "reference" in need]
    return bool(found), any("logits" in need for need in found), "reference layer" in found
