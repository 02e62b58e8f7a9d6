"""Train the embedded model from nothing: deterministic with one thread, under an hour on one core.

Usage:  python -m vlmunl.models.pretrain.train --out DIR

A curriculum does the work: first the image tower alone learns to name what can be seen (`tower.py`), then come the
courses of `courses.py`. Answers alone are trained on; the head runs on answer positions only. A finished course
leaves a checkpoint in DIR; started again, the script goes on from the last one, to the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vlmunl.models.muon import muon_and_adamw
from vlmunl.models.pretrain.architecture import build_model, build_processor
from vlmunl.models.pretrain.augment import augment
from vlmunl.models.pretrain.courses import CURRICULUM, Course
from vlmunl.models.pretrain.encode import Encoder, answer_loss
from vlmunl.models.pretrain.gallery import STRANGERS, Gallery
from vlmunl.models.pretrain.probe import probe
from vlmunl.models.pretrain.tower import TowerPlan, train_tower
from vlmunl.models.pretrain.vocabulary import train_tokenizer
from vlmunl.rng import Streams

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

SEED = 1
BATCH = 32
LR = 2e-3
WARMUP = 50
TOWER = TowerPlan()


@dataclass
class Run:
    """The state of one training run."""

    out: Path
    log: Path | None
    recipe: tuple[object, ...]
    tokenizer: PreTrainedTokenizerFast
    model: LlavaForConditionalGeneration
    optimisers: tuple[torch.optim.Optimizer, ...]
    curve: list[float] = field(default_factory=list)
    step: int = 0
    began: float = field(default_factory=time.monotonic)

    def note(self, line: str) -> None:
        """Add a line to the log."""
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{line}  {time.monotonic() - self.began:6.0f} s\n")

    def save(self, name: str) -> None:
        """Leave a checkpoint from which `restore` goes on."""
        self.out.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {"model": self.model.state_dict(), "curve": self.curve, "step": self.step}
        state["optimisers"] = [o.state_dict() for o in self.optimisers]
        state["recipe"] = self.up_to(name)
        torch.save(state, self.out / f"{name}.part")
        (self.out / f"{name}.part").replace(self.out / f"{name}.pt")

    def up_to(self, name: str) -> str:
        """The recipe until the end of a course, in words; what comes later may change."""
        names = [getattr(part, "name", "tower") for part in self.recipe]
        return repr((SEED, BATCH, LR, WARMUP, self.recipe[: names.index(name) + 1]))

    def restore(self, name: str) -> bool:
        """Take up the checkpoint of a finished course, if there is one of this very recipe."""
        file = self.out / f"{name}.pt"
        if not file.exists():
            return False
        state = torch.load(file, weights_only=True)
        if state.get("recipe") != self.up_to(name):
            return False
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.curve, self.step = state["curve"], state["step"]
        return True


def train(
    out: Path,
    log: Path | None,
    *,
    curriculum: tuple[Course, ...] = CURRICULUM,
    tower: TowerPlan = TOWER,
    strangers: int = STRANGERS,
) -> Run:
    """Tower, then every course, each from its own random streams; finished ones are taken from their checkpoint."""
    streams = Streams(SEED)
    tokenizer = train_tokenizer()
    model = build_model(tokenizer, streams.child("init").torch())
    optimisers = muon_and_adamw(model, LR, betas=(0.9, 0.98), weight_decay=0.02)
    run = Run(out, log, (tower, *curriculum), tokenizer, model, optimisers)
    gallery = Gallery(streams.child("gallery").python(), strangers)
    model.train()
    names = ["tower", *(c.name for c in curriculum)]
    done = next((k for k in reversed(range(len(names))) if run.restore(names[k])), -1)
    if done < 0:
        run.note(f"tower  {train_tower(model, gallery, streams.child('tower'), tower)}")
        run.save("tower")
    for course in curriculum[max(done, 0) :]:
        teach(run, course, gallery, streams.child("course", course.name))
        run.save(course.name)
    return run


def teach(run: Run, course: Course, gallery: Gallery, streams: Streams) -> None:
    """One course, in place."""
    encoder = Encoder(run.tokenizer)
    rng, noise = streams.child("samples").python(), streams.child("augment").torch()
    recent = 0.0
    for step in range(course.steps):
        samples = [course.draw(rng, gallery) for _ in range(BATCH)]
        ids, answers = encoder.batch(samples)
        loss = answer_loss(run.model, ids, answers, _pictures(samples, gallery, noise))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        for optimiser in run.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = LR * course.lr_share(step) * min(1.0, (run.step + 1) / WARMUP)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        recent += float(loss.detach())
        run.step += 1
        if step % 50 == 49:
            run.curve.append(round(recent / 50, 4))
            recent = 0.0
            _report(run, course)


def _pictures(samples: list[tuple[Any, int | None]], gallery: Gallery, noise: torch.Generator) -> torch.Tensor | None:
    chosen = [i for _, i in samples if i is not None]
    if not chosen:
        return None
    grey = torch.tensor([c.grey for c, i in samples if i is not None])
    return augment(gallery.pixels[chosen].float() / 127.5 - 1, grey, noise)


def _report(run: Run, course: Course) -> None:
    line = f"{course.name:6} {run.step:5d}  loss {run.curve[-1]:.3f}"
    if run.step % 250 == 0:
        line += "  " + "  ".join(f"{k} {v:.2f}" for k, v in probe(run.model, run.tokenizer, count=96).items())
    run.note(line)


def publish(run: Run, threads: int) -> None:
    """Write weights (bfloat16 safetensors), configuration, processor and `training.json`."""
    copy = deepcopy(run.model).to(torch.bfloat16)
    copy.save_pretrained(run.out)
    build_processor(run.tokenizer).save_pretrained(run.out)
    weights = (run.out / "model.safetensors").read_bytes()
    figures: dict[str, object] = {
        "steps": run.step,
        "batch": BATCH,
        "seed": SEED,
        "threads": threads,
        "loss_every_50_steps": run.curve,
        "probe": {k: round(v, 4) for k, v in probe(run.model, run.tokenizer).items()},
        "model_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(figures, indent=1, sort_keys=True) + "\n"
    (run.out / "training.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Command line of the training script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1, help="one is deterministic, and as fast at this size")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    publish(train(options.out, options.log), options.threads)


if __name__ == "__main__":
    main()
