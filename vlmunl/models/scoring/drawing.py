"""Ways to draw a reply behind a prompt's cache: the likeliest token each time, at random, or the best of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlmunl.models.intervene import Touch
from vlmunl.models.scoring.decodings import Decoding
from vlmunl.models.scoring.prefix import State, fork, step
from vlmunl.models.vlm import VLM
from vlmunl.rng import Streams

Written = tuple[int, ...]
NOT_A_NUMBER = "the model's scores are not finite"


def greedy(vlm: VLM, state: State, limit: int, touch: Touch) -> list[str | None]:
    """Greedy replies of at most `limit` tokens, None where a score is not a number; uses `state` up.

    A row that has ended leaves the batch.
    """
    rows: list[Written] = [()] * len(state.mask)
    broken: set[int] = set()
    active = list(range(len(rows)))
    for length in range(1, limit + 1):
        best = state.logp.max(-1)
        stays = []
        for place, (token, value) in enumerate(zip(best.indices.tolist(), best.values.tolist(), strict=True)):
            if value != value:
                broken.add(active[place])
            elif token not in vlm.stop_tokens:
                rows[active[place]] += (token,)
                stays.append(place)
        if not stays or length == limit:
            break
        active = [active[place] for place in stays]
        state = step(vlm, state, stays, [rows[r] for r in active], touch.only(active))
    return [None if r in broken else text for r, text in enumerate(_texts(vlm, rows))]


@dataclass(frozen=True)
class _Node:
    """A reply so far: its row in the batch, its tokens, and who stands on it (draws) or its total (beams)."""

    row: int
    written: Written
    draws: tuple[int, ...] = ()
    total: float = 0.0


def sampled(
    vlm: VLM,
    state: State,
    rows: Sequence[int],
    streams: Sequence[Streams],
    how: Decoding,
    limit: int,
    touch: Touch,
) -> list[tuple[str, ...]]:
    """Replies to the prompts in these rows, each row's drawn from its own stream; `state` stays as it is.

    Every draw has its own uniform number for each token, so that it depends on neither batch nor order. Draws that
    have said the same so far are one row of the batch. `touch` is of `rows`.

    Raises:
        ValueError: a score is not a number.
    """
    uniform = [stream.numpy().random((how.draws, limit)) for stream in streams]
    done: dict[tuple[int, int], Written] = {}
    nodes = [_Node(row, (), tuple(range(how.draws))) for row in range(len(rows))]
    state = fork(state, rows)
    for length in range(limit):
        grown: list[tuple[int, _Node]] = []
        chosen = _inverse(state.logp / how.temperature, [uniform[n.row][list(n.draws), length] for n in nodes])
        for place, (node, tokens) in enumerate(zip(nodes, chosen, strict=True)):
            for token in sorted(set(tokens)):
                who = tuple(d for d, t in zip(node.draws, tokens, strict=True) if t == token)
                ends = token in vlm.stop_tokens
                child = _Node(node.row, node.written if ends else (*node.written, token), who)
                if ends or length == limit - 1:
                    done |= {(child.row, d): child.written for d in who}
                else:
                    grown.append((place, child))
        if not grown:
            break
        nodes = [node for _, node in grown]
        mine = touch.only([n.row for n in nodes])
        state = step(vlm, state, [place for place, _ in grown], [n.written for n in nodes], mine)
    return [tuple(_texts(vlm, [done[row, d] for d in range(how.draws)])) for row in range(len(rows))]


def _inverse(scores: Tensor, uniform: Sequence[npt.NDArray[np.float64]]) -> list[list[int]]:
    """For each row of unnormalised log-probabilities (n, V), the tokens at these places of its distribution."""
    sums = torch.softmax(scores.double().cpu(), -1).cumsum(-1).numpy()
    if np.isnan(sums[:, -1]).any():
        raise ValueError(NOT_A_NUMBER)
    found = []
    for row, places in zip(sums, uniform, strict=True):
        at = np.searchsorted(row, places * row[-1], side="right")
        found.append(np.minimum(at, len(row) - 1).tolist())
    return found


def beams(vlm: VLM, state: State, rows: Sequence[int], width: int, limit: int, touch: Touch) -> list[tuple[str, ...]]:
    """The `width` best replies that beam search finds to the prompts in these rows, the best first.

    Replies compete by their total log-probability, the end mark's included, finished or not; ties go by token ids.
    `state` stays as it is, `touch` is of `rows`.

    Raises:
        ValueError: a score is not a number.
    """
    open_ = [_Node(row, ()) for row in range(len(rows))]
    ended: list[list[_Node]] = [[] for _ in open_]
    state = fork(state, rows)
    for length in range(limit):
        likely = state.logp.topk(min(width, state.logp.shape[-1]), -1)
        if bool(likely.values.isnan().any()):
            raise ValueError(NOT_A_NUMBER)
        pools: list[list[tuple[int, _Node]]] = [[(-1, node) for node in row] for row in ended]
        options = zip(open_, likely.values.tolist(), likely.indices.tolist(), strict=True)
        for place, (node, values, tokens) in enumerate(options):
            for value, token in zip(values, tokens, strict=True):
                ends = token in vlm.stop_tokens
                child = _Node(node.row, node.written if ends else (*node.written, token), (), node.total + value)
                pools[node.row].append((-1 if ends else place, child))
        kept = [sorted(pool, key=lambda p: (-p[1].total, p[1].written))[:width] for pool in pools]
        ended = [[node for place, node in row if place < 0 or length == limit - 1] for row in kept]
        grown = [(place, node) for row in kept for place, node in row if place >= 0]
        if not grown or length == limit - 1:
            break
        open_ = [node for _, node in grown]
        mine = touch.only([n.row for n in open_])
        state = step(vlm, state, [place for place, _ in grown], [n.written for n in open_], mine)
    return [tuple(_texts(vlm, [node.written for node in row])) for row in ended]


def _texts(vlm: VLM, rows: Sequence[Written]) -> list[str]:
    return [str(t).strip() for t in vlm.tokenizer.batch_decode([list(r) for r in rows], skip_special_tokens=True)]
