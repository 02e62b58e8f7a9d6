"""Pieces of a batch give the gradient of the whole; when memory runs out they get smaller; what is trained is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vlmunl.stages.configs import Adapter, ImprintConfig, Optim

pytestmark = pytest.mark.model


def trainer_of(vlm: Any, micro: int = 0, recipe: str = "lora") -> Any:
    import torch

    from vlmunl.models.trainer import Trainer

    torch.manual_seed(0)
    return Trainer(vlm, Adapter(recipe=recipe, rank=4, alpha=8), Optim(steps=3, lr=1e-2, warmup=0), micro=micro)  # type: ignore[arg-type]


def samples_of(benchmark: Any, count: int) -> list[Any]:
    from vlmunl.methods import views

    return [d.sample for d in views.canonical(benchmark.forget)][:count]


def twice(make: Callable[[], Any], work: Callable[[Any, int], None], micro: int) -> tuple[list[Any], list[Any]]:
    """The gradients after `work` in one piece, and in pieces of at most `micro`; no weight is moved."""
    found = []
    for size in (0, micro):
        trainer = trainer_of(make(), size)
        trainer._move = lambda: None
        work(trainer, size)
        found.append([w.grad for w in trainer.weights])
    return found[0], found[1]


@pytest.fixture
def fresh(vlm: Any) -> Callable[[], Any]:
    import copy

    from vlmunl.models.vlm import VLM

    return lambda: VLM(copy.deepcopy(vlm.model), vlm.processor)


def test_a_loss_that_is_no_sum_over_samples_has_the_gradient_of_the_whole(fresh: Any, benchmark_small: Any):
    """NPO's log-sigmoid of a sample's total, and a product of two samples' means, in pieces of 2 of 5."""
    import torch

    from vlmunl.models.samples import Encoder

    samples = samples_of(benchmark_small, 5)

    def work(trainer: Any, size: int) -> None:
        encoder = Encoder(trainer.vlm)

        def losses() -> Any:
            out = trainer.asked(encoder, samples)
            assert (out.samples, len(out.total)) == (5, 5)
            yield "all", torch.nn.functional.logsigmoid(0.1 * out.total).mean() * out.nll.max(), {}

        trainer.step(0, losses)

    whole, parts = twice(fresh, work, 2)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, parts, strict=True))
    assert any(bool(w.any()) for w in whole)


def test_inner_layers_are_joined_with_their_rows(fresh: Any, benchmark_small: Any):
    import torch

    from vlmunl.models.samples import Encoder

    samples, outs = samples_of(benchmark_small, 5), []
    for micro in (0, 2):
        trainer = trainer_of(fresh(), micro)
        outs.append(trainer.asked(Encoder(trainer.vlm), samples, (1,), stop=True))
    a, b = (out.layers[1] for out in outs)
    assert torch.equal(a.rows, b.rows)
    assert torch.allclose(a.values, b.values, atol=1e-4)
    assert not outs[1].answered


@pytest.mark.parametrize("augment", [0.0, 0.5])
def test_an_imprint_in_pieces_is_the_imprint(fresh: Any, benchmark_small: Any, augment: float):
    import torch

    from vlmunl.models.samples import Encoder
    from vlmunl.rng import Streams
    from vlmunl.stages.imprint import _Lesson

    config = ImprintConfig(role="imprint", seed=0, image_samples=4, text_samples=2, replay=3, augment=augment)
    curves = []

    def work(trainer: Any, size: int) -> None:
        lesson = _Lesson(
            config, benchmark_small, benchmark_small.identities, Encoder(trainer.vlm, 128), Streams(0).child("x")
        )
        curves.append(trainer.step(0, lesson.losses(trainer, 0))["nll"])

    whole, parts = twice(fresh, work, 4)
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


class Cramped:
    """A model's forward pass that has no room for more than `most` samples."""

    def __init__(self, net: Any, most: int) -> None:
        self.net, self.most, self.sizes = net, most, []
        self.plain = net.forward
        net.forward = self

    def __call__(self, batch: Any, *args: Any, **more: Any) -> Any:
        import torch

        self.sizes.append(len(batch.ids))
        if len(batch.ids) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.plain(batch, *args, **more)


def test_memory_that_runs_out_halves_the_pieces_and_the_size_is_noted(fresh: Any, benchmark_small: Any):
    import torch

    from vlmunl import stage_env
    from vlmunl.models.samples import Encoder

    samples = samples_of(benchmark_small, 8)
    found = []
    for most in (100, 3):
        measured = stage_env.Measured()
        trainer = trainer_of(fresh())
        cramped = Cramped(trainer._net, most)
        encoder = Encoder(trainer.vlm)
        for step in range(2):
            trainer.step(step, lambda t=trainer, e=encoder: iter([("all", t.asked(e, samples).mean, {})]))  # type: ignore[misc]
        found.append([w.detach().clone() for w in trainer.weights])
        assert measured.finish()["micro_batch"] == (8 if most == 100 else 2)
    assert cramped.sizes[:3] == [8, 4, 2]
    assert cramped.sizes.count(8) == 1, "what did not fit is not tried at the next step"
    assert all(torch.allclose(a, b, atol=2e-5) for a, b in zip(*found, strict=True))


def test_no_room_for_one_sample_is_one_line_with_remedies(fresh: Any, benchmark_small: Any):
    from vlmunl.models.memory import OutOfMemory
    from vlmunl.models.samples import Encoder

    trainer = trainer_of(fresh())
    Cramped(trainer._net, 0)
    encoder, samples = Encoder(trainer.vlm), samples_of(benchmark_small, 4)
    with pytest.raises(OutOfMemory) as caught:
        trainer.step(0, lambda: iter([("all", trainer.asked(encoder, samples).mean, {})]))
    told = str(caught.value)
    assert "\n" not in told
    assert all(remedy in told for remedy in ("checkpointing = true", 'weights = "bf16"', 'quantize = "4bit"'))
    assert caught.value.exit_code == 1
    assert all(w.grad is None for w in trainer.weights)


def test_remedies_leave_out_what_is_done_already(fresh: Any):
    import torch

    from vlmunl.models.memory import remedies

    model = fresh().model
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert "checkpointing" not in remedies(model, "lora")
    assert "4bit" not in remedies(model, "full")
    assert 'recipe = "lora"' in remedies(model, "full")
    model.to(torch.bfloat16)
    assert remedies(model) == 'try [model] quantize = "4bit"'
    model.is_loaded_in_4bit = True
    assert remedies(model) == "use a smaller model or a larger device"


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    import torch

    from vlmunl.models.memory import ran_out

    assert ran_out(torch.OutOfMemoryError("CUDA out of memory"))
    assert ran_out(RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"))
    assert not ran_out(RuntimeError("shapes do not match"))


def test_an_optimiser_without_room_is_told_and_not_tried_again(fresh: Any, benchmark_small: Any):
    import torch

    from vlmunl.models.memory import OutOfMemory
    from vlmunl.models.samples import Encoder

    trainer = trainer_of(fresh(), recipe="full")
    tried = []

    def step() -> None:
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    trainer._optimisers[0].step = step
    encoder, samples = Encoder(trainer.vlm), samples_of(benchmark_small, 2)
    with pytest.raises(OutOfMemory, match=r"optimiser's state; try .*recipe = \"lora\""):
        trainer.step(0, lambda: iter([("all", trainer.asked(encoder, samples).mean, {})]))
    assert tried == [1]


def test_scoring_goes_on_with_smaller_batches(vlm: Any, benchmark_small: Any, monkeypatch: pytest.MonkeyPatch):
    import torch

    from vlmunl import stage_env
    from vlmunl.models import score as module
    from vlmunl.models.chat import Turn

    queries = [
        module.Query(
            tuple(vlm.chat.encode([Turn(p.ask("this person"), None)], image_at=None).ids), None, f.answer, f.distractors
        )
        for person in benchmark_small.identities[:2]
        for f in person.facts
        for p in f.of("open", held=True)[:1]
    ]
    plain = module.score(vlm, queries, None, max_new_tokens=4, batch_size=16)
    real, sizes = module.prefill, []

    def cramped(vlm: Any, batch: Any, *more: Any) -> Any:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(vlm, batch, *more)

    monkeypatch.setattr(module, "prefill", cramped)
    measured = stage_env.Measured()
    again = module.score(vlm, queries, None, max_new_tokens=4, batch_size=16)
    assert [r.text for r in again] == [r.text for r in plain]
    assert [r.logp for r in again] == pytest.approx([r.logp for r in plain], abs=1e-4)
    assert max(sizes) > 3 >= measured.finish()["batch_size"]
    monkeypatch.setattr(module, "prefill", lambda *a: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA")))
    with pytest.raises(Exception, match="out of memory with one sample at a time"):
        module.score(vlm, queries, None, max_new_tokens=4, batch_size=16)


def test_what_is_trained_is_told_in_few_words(fresh: Any):
    from vlmunl.models.adapters import attach
    from vlmunl.models.trained import compressed, described

    names = [f"model.layers.{i}.mlp.{x}" for i in (0, 1, 2, 5) for x in ("up", "down")] + ["head"]
    assert compressed(names) == ["model.layers.[0-2,5].mlp.up", "model.layers.[0-2,5].mlp.down", "head"]
    model = fresh().model
    every = sum(p.numel() for p in model.parameters())
    told = described(attach(model, Adapter(rank=2, alpha=4)))
    assert told["modules"] > len(told["names"]) > 1
    assert told["dtypes"] == ["float32"]
    assert told["parameters"] == told["of"] - every
    assert all("lora" not in n and "base_layer" not in n for n in told["names"])
    whole = described(attach(fresh().model, Adapter(recipe="full")))
    assert whole["parameters"] == whole["of"] == every


def test_the_record_of_a_training_has_what_was_trained(fresh: Any):
    from vlmunl import stage_env

    measured = stage_env.Measured()
    trainer_of(fresh())
    env = measured.finish()
    assert env["trained"]["parameters"] > 0
    assert "trained" not in stage_env.Measured().finish()
