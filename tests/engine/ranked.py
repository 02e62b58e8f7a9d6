"""Stages that several processes do, for the tests of ranks: what each sees, and how they fail."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from vlmunl.models.ranks import ranks
from vlmunl.stages.declared import STAGES

GATE = STAGES["gate"].__class__(
    name="gate", version=1, config=STAGES["gate"].config, inputs=(), outputs=(), run="ranked:meets"
)


def meets(config, ctx):
    """Everybody's number, a draw of everybody's streams, and rank 0's word."""
    here = ranks()
    drawn = ctx.rng.child("x").python().random()
    return {
        "ranks": here.each(here.rank),
        "draws": here.each(drawn),
        "pids": here.each(os.getpid()),
        "out": str(ctx.out),
    }


def first_raises(config, ctx):
    """Rank 0 is told to fail while the other waits for it."""
    if ranks().rank == 0:
        raise ValueError("the first is told to fail")
    ranks().each(0)
    return {}


def second_raises(config, ctx):
    """Rank 1 is told to fail while the first waits for it."""
    if ranks().rank == 1:
        raise ValueError("the second is told to fail")
    ranks().each(0)
    return {}


def both_raise(config, ctx):
    """What fails on all is told once."""
    raise ValueError("all are told to fail")


def second_dies(config, ctx):
    """Rank 1 is killed while the first waits for it."""
    if ranks().rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    ranks().each(0)
    return {}


def waits(config, ctx):
    """Tell the processes' ids, then work for long."""
    pids = ranks().each(os.getpid())
    if ranks().rank == 0:
        Path(os.environ["RANKED_PIDS"]).write_text(" ".join(map(str, pids)))
    time.sleep(120)
    return {}


def gradients(config, ctx):
    """The gradients of one unlearning step of some methods, before they are clipped, on rank 0's outputs.

    `batch_size` are samples of one pass; with `tuning` memory runs out on rank 1 where more than one is in it.
    """
    from unittest.mock import patch

    import torch
    from safetensors.torch import save_file

    from vlmunl.benchmarks import schema
    from vlmunl.methods import compared
    from vlmunl.methods.known import METHODS
    from vlmunl.methods.lab import Lab
    from vlmunl.methods.objective import Objective
    from vlmunl.methods.parts import versions
    from vlmunl.models.samples import Encoder
    from vlmunl.models.trainer import Trainer
    from vlmunl.models.vlm import load
    from vlmunl.stages import unlearn
    from vlmunl.stages.configs import Optim, UnlearnConfig

    class Still(Trainer):
        """Leaves the weights, and their gradients as they are before the step."""

        def _move(self):
            pass

        def out(self, batch, layers=(), *, stop=False):
            if config.tuning and ranks().rank == 1 and len(batch.ids) > 1 and torch.is_grad_enabled():
                raise torch.OutOfMemoryError("there is room for one sample only")
            return super().out(batch, layers, stop=stop)

    benchmark, found = schema.load(ctx.input("benchmark")), {}
    for name in ("finetune", "npo", "rmu", "trou_pcgrad"):
        torch.manual_seed(0)
        method = METHODS[name]
        asked = UnlearnConfig(
            method=name,
            version=method.version,
            params=dict(method.params),
            recipe=method.recipe,
            parts=versions(method.recipe),
            seed=0,
            batch=5,  # not a multiple of the processes
            optim=Optim(steps=1, lr=1e-3, warmup=0, clip=1e9),
            micro_batch=config.batch_size,
        )
        vlm = load(ctx.input("base"))
        lab = Lab(vlm, benchmark, asked, Encoder(vlm), ctx.rng)
        objective = Objective(asked, benchmark, lab.encoder, ctx.rng)
        objective.reference = compared.before_unlearning(objective, vlm, edited=False)
        with patch.object(unlearn, "Trainer", Still):
            unlearn._train(asked, lab, objective, 0.0, ctx)
        found |= {f"{name}.{n}": p.grad for n, p in lab.trained.named_parameters() if p.grad is not None}
    save_file(found, ctx.out / "gradients.safetensors")
    return {"processes": ranks().count}
