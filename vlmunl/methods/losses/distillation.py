"""Losses with a whole distribution as the target: of the reference, less the answer, or of another model."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from vlmunl.errors import StudyError
from vlmunl.methods.losses.seen import Seen
from vlmunl.models.answers import Out


def undial(x: Seen, gamma: float) -> Tensor:
    """Cross-entropy to softmax(z_ref - gamma [answer]), mean over answer tokens (arXiv 2402.10052)."""
    own = nnf.one_hot(x.out.tokens, x.out.logits.shape[-1])
    target = torch.softmax(x.ref.logits - gamma * own, -1)
    return -(target * x.out.log_probs).sum(-1).mean()


def kl_oracle(x: Seen) -> Tensor:
    """KL(gold || model) over the whole vocabulary, mean over answer tokens."""
    return nnf.kl_div(x.out.log_probs, x.oracle.log_probs, log_target=True, reduction="batchmean")


def kl_other_ref(x: Seen) -> Tensor:
    """KL(ref on the other view || model on this one), mean over answer tokens (VGID, arXiv 2606.00105).

    Raises:
        StudyError: the two views do not answer with the same tokens, so there is nothing to align.
    """
    if not torch.equal(x.out.tokens, x.other_ref.tokens):
        raise StudyError(
            "kl_other_ref compares two views token by token, and their answers differ",
            "compare with a view that keeps the answer, such as noise",
        )
    return nnf.kl_div(x.out.log_probs, x.other_ref.log_probs, log_target=True, reduction="batchmean")


def dmk(x: Seen) -> Tensor:
    """Dual-masked KL: sum over t, v of K_S(t) K_V(v) p_ref log(p_ref / p), mean over the t that count.

    SIU (arXiv 2405.12523). The other view tells the truth: K_S drops the answer tokens that contradict it, K_V
    the words of the truth that the answer does not have, on which the reference is not to be followed. Where the
    answer is the truth this is `kl_ref`. 0 if no token counts.
    """
    size = x.out.logits.shape[-1]
    told, truth = _words(x.out, size), _words(x.other_ref, size)
    follows = truth[x.out.rows, x.out.tokens]
    kept = ~(truth & ~told)[x.out.rows]
    log_ref = x.ref.log_probs
    each = (log_ref.exp() * (log_ref - x.out.log_probs) * kept).sum(-1)
    return each[follows].sum() / follows.sum().clamp(min=1)


def _words(out: Out, size: int) -> Tensor:
    """Which tokens the answer of each sample has, (samples, V)."""
    has = torch.zeros(out.samples, size, dtype=torch.bool, device=out.tokens.device)
    has[out.rows, out.tokens] = True
    return has
