"""How long is a step of NPO + retain, and how much memory does it take, beside a plain loop with two models?

The plain loop is what scripts of the field do: a second copy of the model is the reference and is asked in every step,
pictures go through the vision tower each time, logits are made for every token, and both losses form one graph. Both
sides train the same LoRA layers from the same values on the same batches, one thread of work each in a process of its
own; the losses of all steps must agree. Beside the embedded model a random one of LLaVA's classes with pictures of
336 pixels (576 image tokens) and a vocabulary of 32,000.

Usage:  python benchmarks/npo_step.py [--steps 12] [--repeats 3]  (the larger model: once)
"""

from __future__ import annotations

import argparse
import copy
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import report
import torch
import torch.nn.functional as nnf
from torch import Tensor

from vlmunl.benchmarks.fictitious import build
from vlmunl.benchmarks.schema import Benchmark
from vlmunl.methods.compared import before_unlearning, training_begins
from vlmunl.methods.known import METHODS
from vlmunl.methods.objective import Batches, Objective
from vlmunl.methods.parts import versions
from vlmunl.models import adapters
from vlmunl.models.forward import Batch
from vlmunl.models.frozen_vision import remembered
from vlmunl.models.locate import locate
from vlmunl.models.samples import Encoder
from vlmunl.models.trainer import Trainer
from vlmunl.models.vlm import VLM, load
from vlmunl.rng import Streams, isolated
from vlmunl.stages.configs import Adapter, DataConfig, Optim, UnlearnConfig

NPO = METHODS["npo"]
STREAMS = Streams(0).child("benchmark")
PEOPLE = {"embedded": DataConfig(people=48, forget=16), "larger": DataConfig(people=4, forget=1)}
BATCH = {"embedded": 24, "larger": 2}


def larger() -> VLM:
    """LLaVA's classes with random weights: CLIP (6 layers of 512) and Llama (8 layers of 768), 576 image tokens."""
    from transformers import AutoProcessor, LlavaConfig, LlavaForConditionalGeneration

    folder = locate("tiny", None, Path())
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor.size = {"height": 336, "width": 336}
    processor.image_processor.crop_size = {"height": 336, "width": 336}
    processor.patch_size = 14
    config = LlavaConfig.from_pretrained(folder)
    for name, value in {"image_size": 336, "patch_size": 14, "hidden_size": 512, "intermediate_size": 2048}.items():
        setattr(config.vision_config, name, value)
    config.vision_config.num_hidden_layers, config.vision_config.num_attention_heads = 6, 8
    text = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 12}
    text |= {"num_key_value_heads": 12, "head_dim": 64, "vocab_size": 32_000, "max_position_embeddings": 2048}
    for name, value in text.items():
        setattr(config.text_config, name, value)
    with isolated(STREAMS.child("weights"), torch=True):
        model = LlavaForConditionalGeneration(config)
    return VLM(model.eval().requires_grad_(False), processor)


def world(name: str, steps: int) -> tuple[VLM, Benchmark, UnlearnConfig]:
    """The model, the people and the settings of one comparison."""
    vlm = larger() if name == "larger" else load(locate("tiny", None, Path()))
    config = UnlearnConfig(
        method="npo",
        version=NPO.version,
        params=NPO.params,
        recipe=NPO.recipe,
        parts=versions(NPO.recipe),
        seed=0,
        optim=Optim(steps=steps, lr=1e-3, warmup=5),
        adapter=Adapter(),
        batch=BATCH[name],
    )
    return vlm, build(PEOPLE[name]), config


def ours(name: str, steps: int) -> tuple[list[list[float]], list[float]]:
    """NLLs of both batches and seconds, step by step, through the objective and the trainer of `vlmunl unlearn`."""
    vlm, benchmark, config = world(name, steps)
    objective = Objective(config, benchmark, Encoder(vlm), STREAMS)
    objective.reference = before_unlearning(objective, vlm, edited=False)
    with isolated(STREAMS.child("lora"), torch=True):
        trainer = Trainer(vlm, config.adapter, config.optim, config.recipe.where)
    training_begins(objective, trainer)
    losses, seconds = [], []
    with remembered(adapters.core(trainer.trained)):
        for step in range(steps):
            began = time.perf_counter()
            figures = trainer.step(step, objective.step(trainer, step))
            seconds.append(time.perf_counter() - began)
            losses.append([figures["forget_nll"], figures["retain_nll"]])
    return losses, seconds


def plain(name: str, steps: int) -> tuple[list[list[float]], list[float]]:
    """The same by a loop with a frozen second model."""
    vlm, benchmark, config = world(name, steps)
    reference = copy.deepcopy(vlm.model)
    with isolated(STREAMS.child("lora"), torch=True):
        model = adapters.attach(vlm.model, config.adapter, config.recipe.where)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=config.optim.lr, weight_decay=0.0)
    batches, encoder = Batches(config, benchmark, STREAMS, ("forget", "retain")), Encoder(vlm)
    beta, retain = config.params["beta"], config.params["retain"]
    losses, seconds = [], []
    from vlmunl.models.prepared import rate

    for step in range(steps):
        began = time.perf_counter()
        drawn = batches.next(("forget", "retain"))
        forget, keep = (encoder.batch([d.sample for d in drawn[side]]) for side in ("forget", "retain"))
        total, count = answer_nll(model, forget)
        with torch.no_grad():
            before, _ = answer_nll(reference, forget)
        kept, tokens = answer_nll(model, keep)
        loss = -(2 / beta) * nnf.logsigmoid(beta * (total - before)).mean() + retain * kept.sum() / tokens
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, config.optim.clip)
        optimiser.param_groups[0]["lr"] = rate(config.optim, step)
        optimiser.step()
        optimiser.zero_grad()
        seconds.append(time.perf_counter() - began)
        losses.append([float(total.sum().detach() / count), float(kept.sum().detach() / tokens)])
    return losses, seconds


def answer_nll(model: Any, batch: Batch) -> tuple[Tensor, int]:
    """NLL of each sample's answer from the logits of all its tokens, and the number of answer tokens."""
    out = model(input_ids=batch.ids, attention_mask=batch.mask.long(), pixel_values=batch.pixels)
    nll = nnf.cross_entropy(out.logits[:, :-1].transpose(1, 2).float(), batch.ids[:, 1:], reduction="none")
    answers = batch.answers[:, 1:]
    return (nll * answers).sum(1), int(answers.sum())


def measured(side: str, name: str, steps: int) -> dict[str, Any]:
    """Run one side in a process of its own: its losses, seconds per step and the peak of its memory."""
    command = [sys.executable, __file__, "--side", side, "--model", name, "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{side} on the {name} model failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compared(name: str, steps: int, repeats: int) -> list[list[str]]:
    """Both sides in turn; medians over the repeats.

    Raises:
        SystemExit: the losses differ by more than 1e-4 at some step.
    """
    runs = {side: [measured(side, name, steps) for _ in range(repeats)] for side in ("plain", "ours")}
    pairs = zip(runs["plain"][0]["losses"], runs["ours"][0]["losses"], strict=True)
    gap = max(abs(a - b) for left, right in pairs for a, b in zip(left, right, strict=True))
    if gap > 1e-4:
        raise SystemExit(f"the losses of the {name} model differ by {gap:.2g}")
    epoch = -(-6 * PEOPLE[name].forget // BATCH[name])

    def middle(side: str, pick: slice) -> float:
        return statistics.median(statistics.mean(run["seconds"][pick]) for run in runs[side])

    rows = []
    for label, pick in ((f"all {steps} steps", slice(None)), ("after the first epoch", slice(epoch, None))):
        a, b = middle("plain", pick), middle("ours", pick)
        rows.append([f"{name}: ms per step, {label}", f"{1e3 * a:.0f}", f"{1e3 * b:.0f}", f"{a / b:.2f}"])
    memory = [statistics.median(run["mib"] for run in runs[side]) for side in ("plain", "ours")]
    rows.append([f"{name}: peak memory, MiB", f"{memory[0]:,.0f}", f"{memory[1]:,.0f}", f"{memory[0] / memory[1]:.2f}"])
    rows.append([f"{name}: greatest difference of a loss", "", f"{gap:.1e}", ""])
    return rows


def alone(side: str, name: str, steps: int) -> None:
    """What a process of its own does: print the measurements of one side as JSON."""
    torch.set_num_threads(1)
    losses, seconds = (ours if side == "ours" else plain)(name, steps)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"losses": losses, "seconds": seconds, "mib": mib}))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", choices=sorted(PEOPLE), help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=("ours", "plain"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        alone(options.side, options.model, options.steps)
        return
    here = report.machine()
    rows = [
        row for name in PEOPLE for row in compared(name, options.steps, options.repeats if name == "embedded" else 1)
    ]
    sizes = (
        f"batches of {BATCH['embedded']} (larger: {BATCH['larger']}), medians of {options.repeats} (larger: one run)"
    )
    text = f"{here}. {options.steps} steps of NPO + retain, one thread, float32, {sizes}.\n\n"
    report.write("npo_step", "A step of NPO + retain", text + report.table(["", "two models", "vlmunl", "ratio"], rows))


if __name__ == "__main__":
    main()
