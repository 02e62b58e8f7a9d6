"""Steps and questions per second, peak memory and share of the device's peak, on models of real size.

The models have the shapes of LLaVA-1.5-7B and Qwen2.5-VL-7B and random weights in bfloat16, LoRA of rank 16. Imprint:
a step on one batch of questions with pictures. Unlearn: NPO + retain, through `vlmunl`'s objective and trainer, and by
the plain loop of scripts of the field, with a second model as reference that is asked at every step. Evaluation: the
same questions through `score` and by a loop that generates the replies one by one; replies in bfloat16 depend on
rounding, so the share of equal ones is told. A share of the peak is that of the FLOPs counted by
`vlmunl.models.estimate`.

Without a GPU it runs small and says so: one model of LLaVA's classes with 0.1 billion weights, in float32, few steps.

Usage:  python benchmarks/device.py [--model llava] [--steps 8] [--batch 8] [--print]
"""

from __future__ import annotations

import argparse
import copy
import gc
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
import torch
import torch.nn.functional as nnf
from npo_step import larger

from vlmunl.benchmarks.fictitious import build
from vlmunl.benchmarks.schema import Benchmark
from vlmunl.machine.devices import Device, devices
from vlmunl.methods import views
from vlmunl.methods.compared import before_unlearning, training_begins
from vlmunl.methods.known import METHODS
from vlmunl.methods.objective import Batches, Objective
from vlmunl.methods.parts import versions
from vlmunl.models import adapters
from vlmunl.models.chat import Turn
from vlmunl.models.estimate import Work, training_flops
from vlmunl.models.forward import Batch
from vlmunl.models.frozen_vision import remembered
from vlmunl.models.images import at, decode, prepared
from vlmunl.models.samples import Encoder
from vlmunl.models.score import Query, score
from vlmunl.models.shapes import TYPICAL, Shape, llama_like
from vlmunl.models.trainer import Trainer
from vlmunl.models.vlm import VLM
from vlmunl.rng import Streams, isolated
from vlmunl.stages.configs import Adapter, DataConfig, Loading, Optim, UnlearnConfig

NPO = METHODS["npo"]
STREAMS = Streams(0).child("benchmark")
QWEN = llama_like(
    layers=28, hidden=3584, inner=18_944, query=3584, key=512, vocabulary=152_064, tied=False, vision=676_000_000
)
SMALL = llama_like(
    layers=8, hidden=768, inner=2048, query=768, key=768, vocabulary=32_000, tied=False, vision=20_000_000
)
SHAPES: dict[str, Shape] = {"llava": TYPICAL["7B"], "qwen2.5-vl": QWEN, "small": SMALL}
NEW_TOKENS = 8


@dataclass
class Bench:
    """A model on a device, with what it is trained on."""

    name: str
    vlm: VLM
    device: Device
    people: Benchmark
    steps: int
    batch: int

    @property
    def config(self) -> UnlearnConfig:
        return UnlearnConfig(
            method="npo",
            version=NPO.version,
            params=NPO.params,
            recipe=NPO.recipe,
            parts=versions(NPO.recipe),
            seed=0,
            optim=Optim(steps=self.steps, lr=1e-4, warmup=0),
            adapter=Adapter(),
            batch=self.batch,
        )

    def fresh(self) -> VLM:
        """The model without any adapter that an earlier measurement put on it."""
        model = self.vlm.model
        for module in [m for m in model.modules() if hasattr(m, "base_layer")]:
            raise SystemExit(f"{type(module).__name__} was left on the model")
        return VLM(model.requires_grad_(False).eval(), self.vlm.processor)


def made(name: str) -> VLM:
    """A random model of real size on the GPU, or the small one."""
    if name == "small":
        return larger()
    from vlmunl.models.miniature.real import processor, real

    with tempfile.TemporaryDirectory() as folder:
        return VLM(real(name, "cuda", torch.bfloat16).requires_grad_(False), processor(name, Path(folder) / "model"))


# --------------------------------------------------------------------------------------- measuring


def sync() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(action: Callable[[int], object], times: int) -> float:
    """Median seconds of one call, the first one left out: it allocates."""
    found = []
    for step in range(times + 1):
        sync()
        began = time.perf_counter()
        action(step)
        sync()
        found.append(time.perf_counter() - began)
    return sorted(found[1:])[len(found[1:]) // 2]


def start_peak() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """GiB since `start_peak`: of tensors on the GPU, or of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 2**20 if found else 0.0


# ----------------------------------------------------------------------------------------- the work


def imprint(bench: Bench) -> tuple[float, float]:
    """Seconds of a step and its share of the device's peak (nan if that is not known)."""
    vlm = bench.fresh()
    with isolated(STREAMS.child("lora"), torch=True):
        trainer = Trainer(vlm, Adapter(), Optim(steps=bench.steps + 1, lr=1e-4, warmup=0))
    samples = [d.sample for d in views.canonical(bench.people.forget)][: bench.batch]
    encoder = Encoder(vlm, limit=2048)
    batch = encoder.batch(samples)
    taken = seconds(lambda step: trainer.step(step, lambda: iter([("all", trainer.out(batch).mean, {})])), bench.steps)
    shape = SHAPES[bench.name]
    text = int(batch.mask.sum()) // len(samples) - shape.image_tokens
    work = Work(samples=len(samples), pictured=len(samples), text=max(1, text), steps=1, total=len(samples))
    flops = training_flops(shape, work, Adapter(), Loading())
    trainer.trained.unload()
    return taken, flops / taken / bench.device.peak if bench.device.peak else float("nan")


def unlearn(bench: Bench) -> float:
    """Seconds of a step of NPO + retain."""
    vlm, config = bench.fresh(), bench.config
    objective = Objective(config, bench.people, Encoder(vlm, limit=2048), STREAMS)
    objective.reference = before_unlearning(objective, vlm, edited=False)
    with isolated(STREAMS.child("lora"), torch=True):
        trainer = Trainer(vlm, config.adapter, config.optim, config.recipe.where)
    training_begins(objective, trainer)
    with remembered(adapters.core(trainer.trained)):
        taken = seconds(lambda step: trainer.step(step, objective.step(trainer, step)), bench.steps)
    trainer.trained.unload()
    return taken


def plain(bench: Bench) -> float:
    """The same by a loop with a second model."""
    vlm, config = bench.fresh(), bench.config
    reference = copy.deepcopy(vlm.model)
    with isolated(STREAMS.child("lora"), torch=True):
        model = adapters.attach(vlm.model, config.adapter, config.recipe.where)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
    batches, encoder = Batches(config, bench.people, STREAMS, ("forget", "retain")), Encoder(vlm, limit=2048)

    def step(index: int) -> None:
        drawn = batches.next(("forget", "retain"))
        forget, keep = (encoder.batch([d.sample for d in drawn[s]]).to(vlm.device) for s in ("forget", "retain"))
        total = answer_nll(model, forget)
        with torch.no_grad():
            before = answer_nll(reference, forget)
        loss = -(2 / 0.1) * nnf.logsigmoid(0.1 * (total - before)).mean()
        loss = loss + answer_nll(model, keep).sum() / keep.answers.sum()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    taken = seconds(step, bench.steps)
    model.unload()
    return taken


def answer_nll(model: Any, batch: Batch) -> torch.Tensor:
    """NLL of each sample's answer, from the logits of all its tokens."""
    told = {"pixel_values": batch.pixels.to(model.dtype)} if batch.pixels is not None else {}
    told |= dict(getattr(batch, "extra", {}))  # what models that cut pictures up need beside the pixels
    out = model(input_ids=batch.ids, attention_mask=batch.mask.long(), **told)
    nll = nnf.cross_entropy(out.logits[:, :-1].transpose(1, 2).float(), batch.ids[:, 1:], reduction="none")
    return (nll * batch.answers[:, 1:]).sum(1)


@torch.inference_mode()
def asked(bench: Bench) -> tuple[float, float, float]:
    """Questions per second by the loop and through `score`, and the share of equal replies."""
    vlm = bench.fresh()
    people = bench.people.identities[:2]
    texts = [
        (k, p.ask("this person"), f) for k, who in enumerate(people) for f in who.facts for p in f.of("open", held=True)
    ]
    texts = texts if bench.name != "small" else texts[::8]
    began, one = time.perf_counter(), []
    for k, text, _ in texts:
        message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        prompt = vlm.processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
        given = vlm.processor(images=[decode(people[k].photos[0])], text=prompt, return_tensors="pt").to(vlm.device)
        given["pixel_values"] = given["pixel_values"].to(vlm.model.dtype)
        out = vlm.model.generate(**given, max_new_tokens=NEW_TOKENS, do_sample=False)
        one.append(vlm.tokenizer.decode(out[0, given["input_ids"].shape[1] :], skip_special_tokens=True).strip())
    sync()
    slow, began = time.perf_counter() - began, time.perf_counter()
    pixels = prepared(vlm.processor, [decode(p.photos[0]) for p in people])
    queries = [
        Query(
            tuple(vlm.chat.encode([Turn(text, None)], image_at=0, picture=at(pixels, k)).ids),
            k,
            fact.answer,
            fact.distractors,
        )
        for k, text, fact in texts
    ]
    found = score(vlm, queries, pixels, max_new_tokens=NEW_TOKENS, batch_size=4 * bench.batch)
    sync()
    fast = time.perf_counter() - began
    same = sum(a == b.text for a, b in zip(one, found, strict=True)) / len(texts)
    return len(texts) / slow, len(texts) / fast, same


def rows_of(bench: Bench) -> list[list[str]]:
    """All measurements of one model."""
    rows = []
    start_peak()
    taken, share = imprint(bench)
    told = "" if share != share else f"{share:.0%}"
    rows.append([f"{bench.name}: imprint, steps/s", "", f"{1 / taken:.2f}", "", f"{peak():.1f}", told])
    start_peak()
    ours = unlearn(bench)
    mine = peak()
    start_peak()
    theirs = plain(bench)
    ratio = f"{theirs / ours:.2f}"
    both = f"{mine:.1f} (loop {peak():.1f})"
    rows.append([f"{bench.name}: NPO + retain, steps/s", f"{1 / theirs:.2f}", f"{1 / ours:.2f}", ratio, both, ""])
    start_peak()
    slow, fast, same = asked(bench)
    name = f"{bench.name}: questions/s ({same:.0%} equal replies)"
    rows.append([name, f"{slow:.2f}", f"{fast:.2f}", f"{fast / slow:.1f}", f"{peak():.1f}", ""])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("llava", "qwen2.5-vl"), action="append")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--print", action="store_true", help="only print, and leave docs/benchmarks.md as it is")
    options = parser.parse_args()
    gpu = torch.cuda.is_available()
    here, device = report.machine(), devices()[0]
    names = (options.model or ["llava", "qwen2.5-vl"]) if gpu else ["small"]
    steps, batch = (options.steps, options.batch) if gpu else (2, 2)
    if not gpu:
        torch.set_num_threads(1)
    people = build(DataConfig(people=24 if gpu else 4, forget=8 if gpu else 1))
    rows: list[list[str]] = []
    for name in names:
        rows += rows_of(Bench(name, made(name), device, people, steps, batch))
        start_peak()
    what = (
        f"{device.name}, bfloat16"
        if gpu
        else "No GPU on this machine: a small model of LLaVA's classes, float32, one thread"
    )
    text = (
        f"{here}. {what}. `python benchmarks/device.py --steps {steps} --batch {batch}`: LoRA of rank 16, batches of "
        f"{batch}, medians of {steps} steps; memory is that of {'tensors on the GPU' if gpu else 'the process'}.\n\n"
    ) + report.table(["", "plain loop", "vlmunl", "ratio", "peak GiB", "of the peak FLOPs"], rows)
    if options.print:
        print(text)
    else:
        report.write("device", "Models of real size", text)


if __name__ == "__main__":
    main()
