"""Train the embedded model from nothing: deterministic with one thread, about 45 minutes on one core.

Usage:  python -m vlmunl.models.pretrain.train --out DIR [--steps N]

A curriculum does the work: first the image tower alone learns to name what can be seen, then come open
questions on strangers' faces and on facts given in the prompt (reading a picture, copying from context), then all
formats, then the base people. Answers alone are trained on; the head runs on answer positions only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as nnf

from vlmunl.benchmarks import corpus
from vlmunl.benchmarks.corpus import Conversation, Turn
from vlmunl.models.pretrain.architecture import build_model, build_processor
from vlmunl.models.pretrain.augment import augment
from vlmunl.models.pretrain.gallery import Gallery
from vlmunl.models.pretrain.tower import TowerPlan, train_tower
from vlmunl.models.pretrain.vocabulary import train_tokenizer
from vlmunl.rng import Streams

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

Phase = Literal["look", "forms", "people"]

SEED = 1
IMAGE_TOKENS = 16
MAX_LENGTH = 96


@dataclass(frozen=True)
class Plan:
    """Length and optimiser of the training run."""

    steps: int = 3400
    batch: int = 32
    lr: float = 1.5e-3
    warmup: int = 150
    look: int = 450
    forms: int = 350

    def phase(self, step: int) -> Phase:
        """Open questions on strangers and given facts; the same in all formats; then the base people too."""
        return "look" if step < self.look else "forms" if step < self.look + self.forms else "people"

    def lr_at(self, step: int) -> float:
        """Warm-up, constant to half way, linear to 2 %."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        half = self.steps // 2
        if step < half:
            return self.lr
        return self.lr * (1 - 0.98 * (step - half) / max(1, self.steps - half))


def draw_sample(rng: random.Random, gallery: Gallery, phase: Phase) -> tuple[Conversation, int | None]:
    """One conversation of a phase's mix."""
    grey = rng.random() < 0.15
    dice = rng.random()
    if phase != "people":
        mix = corpus.PLAIN if phase == "look" else corpus.FULL
        if dice < 0.65:
            return gallery.stranger(rng, grey=grey, visual=5, mix=mix)
        return corpus.text_conversation(rng, gallery.people, context=1.0, mix=mix), None
    if dice < 0.48:
        return gallery.person(rng, grey=grey)
    if dice < 0.72:
        return gallery.stranger(rng, grey=grey, visual=3, mix=corpus.FULL)
    return corpus.text_conversation(rng, gallery.people), None


class Encoder:
    """Turns conversations into padded token batches; every string is tokenised once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.cache: dict[Turn, tuple[list[int], list[int]]] = {}
        self.bos, self.eos, self.pad, self.image, self.user, self.assistant = tokenizer.convert_tokens_to_ids(
            ["<s>", "</s>", "<pad>", "<image>", "<user>", "<assistant>"]
        )

    def _turn(self, turn: Turn) -> tuple[list[int], list[int]]:
        if turn not in self.cache:
            ask, reply = (self.tokenizer.encode(f" {t}", add_special_tokens=False) for t in turn)
            self.cache[turn] = (ask, reply)
        return self.cache[turn]

    def sample(self, turns: Sequence[Turn], *, image: bool) -> tuple[list[int], list[bool]]:
        """Token ids and which of them are answers (with their end mark), cut at whole turns."""
        ids, answers = [self.bos], [False]
        for k, turn in enumerate(turns):
            ask, reply = self._turn(turn)
            head = [self.user] + ([self.image] * IMAGE_TOKENS if image and k == 0 else []) + ask + [self.assistant]
            if len(ids) + len(head) + len(reply) + 1 > MAX_LENGTH:
                break
            ids += [*head, *reply, self.eos]
            answers += [False] * len(head) + [True] * (len(reply) + 1)
        return ids, answers

    def batch(self, samples: Sequence[tuple[Conversation, int | None]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Right-padded ids (B, T) and answer mask (B, T)."""
        encoded = [self.sample(c.turns, image=index is not None) for c, index in samples]
        width = max(len(ids) for ids, _ in encoded)
        ids = torch.full((len(encoded), width), self.pad)
        mask = torch.zeros(len(encoded), width, dtype=torch.bool)
        for row, (tokens, answers) in enumerate(encoded):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(answers)] = torch.tensor(answers)
        return ids, mask


def answer_loss(
    model: LlavaForConditionalGeneration, ids: torch.Tensor, answers: torch.Tensor, images: torch.Tensor | None
) -> torch.Tensor:
    """Mean cross-entropy over answer tokens; `images` (N, 3, H, W) belong to the rows with placeholders, in order."""
    core = model.model
    embeds = core.get_input_embeddings()(ids)
    if images is not None:
        features = torch.cat(core.get_image_features(images).pooler_output)
        where = (ids == model.config.image_token_id).unsqueeze(-1).expand_as(embeds)
        embeds = embeds.masked_scatter(where, features.to(embeds.dtype))
    hidden = core.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    predicts = answers[:, 1:]
    logits = model.lm_head(hidden[:, :-1][predicts])
    return nnf.cross_entropy(logits.float(), ids[:, 1:][predicts])


def _step_batch(
    gallery: Gallery, encoder: Encoder, plan: Plan, rng: random.Random, noise: torch.Generator, phase: Phase
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    samples = [draw_sample(rng, gallery, phase) for _ in range(plan.batch)]
    ids, answers = encoder.batch(samples)
    chosen = [i for _, i in samples if i is not None]
    if not chosen:
        return ids, answers, None
    grey = torch.tensor([c.grey for c, i in samples if i is not None])
    return ids, answers, augment(gallery.pixels[chosen].float() / 127.5 - 1, grey, noise)


def train(
    plan: Plan, log: Path | None, out: Path
) -> tuple[LlavaForConditionalGeneration, PreTrainedTokenizerFast, list[float]]:
    """Run the plan; returns the model, its tokenizer and the loss of every 50th step."""
    streams = Streams(SEED)
    tokenizer = train_tokenizer()
    model = build_model(tokenizer, streams.child("init").torch())
    gallery = Gallery(streams.child("gallery").python())
    encoder = Encoder(tokenizer)
    rng, noise = streams.child("samples").python(), streams.child("augment").torch()
    optimiser = torch.optim.AdamW(model.parameters(), lr=plan.lr, betas=(0.9, 0.98), weight_decay=0.02)
    curve: list[float] = []
    began, recent = time.monotonic(), 0.0
    model.train()
    _note(log, f"tower  {train_tower(model, gallery, streams.child('tower'), TowerPlan())}")
    for step in range(plan.steps):
        ids, answers, images = _step_batch(gallery, encoder, plan, rng, noise, plan.phase(step))
        for group in optimiser.param_groups:
            group["lr"] = plan.lr_at(step)
        loss = answer_loss(model, ids, answers, images)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        recent += float(loss.detach())
        if step % 50 == 49:
            curve.append(round(recent / 50, 4))
            recent = 0.0
            _report(log, step + 1, curve[-1], time.monotonic() - began, model, tokenizer)
        if step % 500 == 499:
            save(model, tokenizer, out / f"step{step + 1}", {"loss_every_50_steps": curve})
    return model, tokenizer, curve


def _report(
    log: Path | None,
    step: int,
    loss: float,
    seconds: float,
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    line = f"step {step:5d}  loss {loss:.3f}  {seconds:6.0f} s"
    if step % 250 == 0:
        from vlmunl.models.pretrain.probe import probe

        figures = probe(model, tokenizer, count=96)
        line += "  " + "  ".join(f"{k} {v:.2f}" for k, v in figures.items())
    _note(log, line)


def _note(log: Path | None, line: str) -> None:
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def save(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, out: Path, figures: dict[str, object]
) -> None:
    """Write weights (bfloat16 safetensors), configuration, processor and `training.json`."""
    out.mkdir(parents=True, exist_ok=True)
    copy = deepcopy(model).to(torch.bfloat16)
    copy.save_pretrained(out)
    build_processor(tokenizer).save_pretrained(out)
    weights = (out / "model.safetensors").read_bytes()
    recorded = figures | {"model_sha256": hashlib.sha256(weights).hexdigest()}
    text = json.dumps(recorded, indent=1, sort_keys=True) + "\n"
    (out / "training.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Command line of the training script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--threads", type=int, default=1, help="one is deterministic, and as fast at this size")
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plan = Plan(steps=options.steps)
    model, tokenizer, curve = train(plan, options.log, options.out)
    from vlmunl.models.pretrain.probe import probe

    figures: dict[str, object] = {"steps": plan.steps, "batch": plan.batch, "seed": SEED, "threads": options.threads}
    figures |= {"loss_every_50_steps": curve, "probe": {k: round(v, 4) for k, v in probe(model, tokenizer).items()}}
    save(model, tokenizer, options.out, figures)


if __name__ == "__main__":
    main()
