"""What a forward pass says of the answer tokens of a batch, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as nnf
from torch import Tensor


@dataclass(frozen=True)
class States:
    """Hidden states (k, H) of a layer at the k text tokens of a batch (no picture, no padding); `rows` (k,) theirs."""

    values: Tensor
    rows: Tensor


@dataclass(frozen=True)
class Out:
    """Logits (n, V) at the n answer tokens of a batch, the tokens (n,), and the sample of each (n,) of `samples`.

    `hidden` (n, H) are the last hidden states that the logits are made of, `layers` the states of inner layers that
    were asked for. When `logits` is not known it is made of `hidden` by `head`; `known_total` stands for `total`.
    """

    tokens: Tensor
    rows: Tensor
    samples: int
    given_logits: Tensor | None = None
    hidden: Tensor | None = None
    head: Callable[[Tensor], Tensor] | None = None
    layers: Mapping[int, States] = field(default_factory=dict)
    known_total: Tensor | None = None

    @classmethod
    def of(cls, logits: Tensor, tokens: Tensor, rows: Tensor, samples: int) -> Out:
        """From logits alone."""
        return cls(tokens=tokens, rows=rows, samples=samples, given_logits=logits)

    @cached_property
    def logits(self) -> Tensor:
        """Scores of the whole vocabulary at each answer token, (n, V) in float32."""
        if self.given_logits is not None:
            return self.given_logits
        assert self.hidden is not None, "the recipe asked for inner layers alone"
        assert self.head is not None
        return self.head(self.hidden).float()

    @property
    def answered(self) -> bool:
        """Are there logits, or was the pass stopped at an inner layer?"""
        return self.given_logits is not None or self.hidden is not None

    @cached_property
    def nll(self) -> Tensor:
        """-log p of each answer token, (n,) in nats."""
        return nnf.cross_entropy(self.logits, self.tokens, reduction="none")

    @cached_property
    def log_probs(self) -> Tensor:
        """log p over the vocabulary at each answer token, (n, V)."""
        return torch.log_softmax(self.logits, -1)

    @property
    def mean(self) -> Tensor:
        """`m`: mean over answer tokens, a scalar in nats."""
        return self.nll.mean()

    @cached_property
    def total(self) -> Tensor:
        """`S`: sum over the answer tokens of each sample, (samples,) in nats."""
        return self.known_total if self.known_total is not None else self.per_sample(self.nll)

    @cached_property
    def lengths(self) -> Tensor:
        """Answer tokens of each sample, (samples,)."""
        return self.per_sample(torch.ones_like(self.tokens, dtype=torch.float32))

    def per_sample(self, values: Tensor) -> Tensor:
        """Sums of token values (n,) over each sample, (samples,)."""
        return torch.zeros(self.samples, device=values.device, dtype=values.dtype).index_add(0, self.rows, values)

    def only(self, keep: Tensor) -> Out:
        """The answers of the samples where `keep` (samples,) is true, renumbered."""
        tokens = keep[self.rows]
        place = torch.cumsum(keep.long(), 0) - 1
        layers = {n: States(s.values[keep[s.rows]], place[s.rows[keep[s.rows]]]) for n, s in self.layers.items()}
        return Out(
            tokens=self.tokens[tokens],
            rows=place[self.rows[tokens]],
            samples=int(keep.sum()),
            given_logits=self.logits[tokens] if self.answered else None,
            hidden=None if self.hidden is None else self.hidden[tokens],
            head=self.head,
            layers=layers,
            known_total=None if self.known_total is None else self.known_total[keep],
        )
