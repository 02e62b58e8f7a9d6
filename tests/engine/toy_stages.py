"""Stages that cost nothing, with the real stages' names, configs, inputs and outputs. No torch.

What they do is steered by environment variables, which worker processes inherit: TOY_SLEEP (seconds per cell),
TOY_FAIL and TOY_KILL (the beginning of a cell's label), TOY_WEAK (seeds whose gate is to fail), TOY_LOG (a file
that gets one line per call). TOY_STEPS has every cell work in steps, whose state it keeps (that loads torch).
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from vlmunl.stages.declared import STAGES

TOYS = {name: replace(stage, run=f"toy_stages:{name}") for name, stage in STAGES.items()}


def _begin(label, ctx):
    if log := os.environ.get("TOY_LOG"):
        with open(log, "a") as file:
            file.write(label + "\n")
    for step in range(4):
        ctx.progress(step, 4, "toy")
        time.sleep(float(os.environ.get("TOY_SLEEP", "0")) / 4)
    if steps := int(os.environ.get("TOY_STEPS", "0")):
        _steps(steps, ctx)
    if label.startswith(os.environ.get("TOY_KILL", "-")) and not Path(os.environ["TOY_ONCE"]).exists():
        Path(os.environ["TOY_ONCE"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if label.startswith(os.environ.get("TOY_FAIL", "-")):
        raise RuntimeError(f"{label} is told to fail")
    ctx.progress(4, 4, "")


def _steps(steps, ctx):
    """Work that keeps its state: so many steps of TOY_STEP seconds each; TOY_PIDS gets this process's number."""
    import torch  # noqa: F401  as in the stages that keep their state: saving it takes no time then

    part = ctx.keep.part("steps")
    state = part.load() or {"done": 0}
    with open(os.environ["TOY_PIDS"], "a") as file:
        file.write(f"{os.getpid()} {state['done']}\n")
    for done in range(state["done"] + 1, steps + 1):
        time.sleep(float(os.environ.get("TOY_STEP", "0.05")))
        ctx.progress(done, steps, "step")
        if done < steps and part.due():
            part.save(done, steps, {"done": done})
    part.end(steps, lambda: {"done": steps})


def _write(ctx, name, value):
    (ctx.out / name).write_text(json.dumps(value, sort_keys=True))


def _read(ctx):
    return {
        n: p.read_text() if p.is_file() else sorted(f.read_text() for f in p.iterdir()) for n, p in ctx.paths.items()
    }


def data(config, ctx):
    _begin("data", ctx)
    _write(ctx, "benchmark.json", {"people": config.people})
    return {}


def _train(label, ctx):
    _begin(label, ctx)
    (ctx.out / "adapter").mkdir()
    (ctx.out / "adapter" / "weights").write_text(json.dumps([label, _read(ctx), ctx.rng.child("x").python().random()]))
    _write(ctx, "curve.json", [])
    return {"steps": 4}


def imprint(config, ctx):
    return _train(f"imprint/{config.role}/{config.seed}", ctx)


def unlearn(config, ctx):
    return _train(f"unlearn/{config.method}/{config.seed}", ctx)


def probe(config, ctx):
    _begin(f"probe/{config.score}/{config.seed}", ctx)
    _write(ctx, "scores.json", [config.score, config.views, _read(ctx)])
    return {"layers": 1}


def gate(config, ctx):
    _begin(f"gate/{config.seed}", ctx)
    weak = str(config.seed) in os.environ.get("TOY_WEAK", "").split(",")
    people = [f"p{i}" for i in range(10)]
    measured = {
        "n": 4,
        "hits": {p: [0 if weak else 4] * 3 for p in people},
        "canonical_imprint": {p: [1.0] * 3 for p in people},
        "canonical_gold": {p: [0.0] * 3 for p in people},
        "attributes": ["a", "b", "c"],
    }
    _write(ctx, "rows.json", weak)
    return {"formats": {"open": measured}}


def eval(config, ctx):
    _begin("eval", ctx)
    _write(ctx, "rows.json", _read(ctx))
    return {}


def aggregate(config, ctx):
    _begin("aggregate", ctx)
    _write(
        ctx,
        "verified_results.json",
        {"inputs": sorted(ctx.paths), "manifest": json.loads(ctx.input("manifest").read_text())},
    )
    (ctx.out / "summary.md").write_text("summary\n")
    return {}


def tables(config, ctx):
    _begin("tables", ctx)
    (ctx.out / "generated").mkdir()
    (ctx.out / "generated" / "main.tex").write_text(ctx.input("results").read_text()[:60])
    return {}
