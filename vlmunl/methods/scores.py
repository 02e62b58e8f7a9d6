"""What the weights and neurons of a model have to do with some of its answers: scores that edits and rules choose by.

All are of answer tokens only, of the layers that the method means, and of the imprint, whatever edits come before the
one that asks. The stage `probe` measures them once (`measured`), and `probed` reads them in the cells that choose by
them. Gradients are streamed layer by layer, so that no two whole gradients are held at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vlmunl.errors import MissingInput, StudyError
from vlmunl.methods.lab import CHUNK, Lab
from vlmunl.methods.language import Probe
from vlmunl.methods.parts import SCORES, scores_name
from vlmunl.methods.registry import code_of
from vlmunl.models import adapters
from vlmunl.models.forward import AnswerModel, Batch
from vlmunl.models.samples import Sample

Scores = Mapping[str, Tensor]
"""Layer name -> a figure for each of its weights (out, in), or rows (out,), or neurons, in float32."""


# -------------------------------------------------------------------------------------- probing


def probed(lab: Lab, score: str, views: Sequence[str], samples: float) -> Scores:
    """The scores that a rule or an edit declares among its `probes`, layer by layer in the model's order.

    Raises:
        MissingInput: they were not given, or do not fit the model.
    """
    probe = Probe(score, tuple(views))
    if lab.probes is None:
        return measured(lab, probe, samples)
    name = scores_name(probe, samples)
    if name not in lab.probes:
        raise MissingInput(
            f"{lab.config.method} needs {name}, the scores {probe}, and this cell has no such input",
            "a rule or an edit must declare the probe that it asks for",
        )
    return read(lab.probes[name], tuple(lab.layers), lab.vlm.device)


def measured(lab: Lab, probe: Probe, samples: float) -> Scores:
    """Compute a score on the model as it is, over `samples` questions of each view (0: all)."""
    asked = [s for view in probe.views for s in spread(lab.samples(view), samples)]
    found: Scores = code_of(SCORES.named(probe.score, "score").run)(lab, asked)
    return found


def write(scores: Scores, path: Path) -> None:
    """Store them in float32."""
    plain = {name: s.detach().to("cpu", torch.float32).contiguous() for name, s in scores.items()}
    save_file(plain, path, metadata={"format": "pt"})


def read(path: Path, layers: Sequence[str], device: torch.device) -> Scores:
    """Stored scores of those of the `layers` that have any, in that order; the file is mapped and not copied.

    Raises:
        MissingInput: they are of other layers, or no scores.
    """
    try:
        with safe_open(path, framework="pt") as file:
            stored = set(file.keys())
            if strange := sorted(stored - set(layers)):
                raise MissingInput(f"the scores in {path} are of another layer: {strange[0]}")
            return {name: file.get_tensor(name).to(device) for name in layers if name in stored}
    except (OSError, SafetensorError) as error:
        raise MissingInput(f"there are no scores in {path}: {str(error).splitlines()[0]}") from error


# -------------------------------------------------------------------------------------- gradients


def gradient(lab: Lab, samples: Sequence[Sample]) -> Scores:
    """Mean gradient of the NLL of one sample, for each weight; one backward pass per sample."""
    found = _zeros(lab)

    def add(name: str, given: Tensor) -> None:
        found[name] += given.float()

    count = lab.gradients(samples, add)
    return {name: total / count for name, total in found.items()}


def gradient_size(lab: Lab, samples: Sequence[Sample]) -> Scores:
    """Size of the mean of the gradients of chunks, for each weight."""
    found = _zeros(lab)

    def add(name: str, given: Tensor) -> None:
        found[name] += given.float()

    count = lab.gradients(samples, add, CHUNK)
    return {name: total.abs() / count for name, total in found.items()}


def gradient_sizes(lab: Lab, samples: Sequence[Sample]) -> Scores:
    """Mean of the sizes of the gradients of chunks, for each weight."""
    found = _zeros(lab)

    def add(name: str, given: Tensor) -> None:
        found[name] += given.float().abs()

    count = lab.gradients(samples, add, CHUNK)
    return {name: total.abs() / count for name, total in found.items()}


def fisher(lab: Lab, samples: Sequence[Sample]) -> Scores:
    """Mean squared gradient of the NLL of one sample, for each weight; one backward pass per sample."""
    found = _zeros(lab)

    def add(name: str, given: Tensor) -> None:
        g = given.float()
        found[name].addcmul_(g, g)

    count = lab.gradients(samples, add)
    return {name: total / count for name, total in found.items()}


def _zeros(lab: Lab) -> dict[str, Tensor]:
    return {name: torch.zeros_like(layer.weight, dtype=torch.float32) for name, layer in lab.layers.items()}


def influence(weight: Tensor, mean: Tensor, square: Tensor) -> Tensor:
    """Predicted rise of the loss when a weight is deleted: `-w g + w^2 Fisher / 2`, the second-order Taylor expansion
    with the Fisher information for the Hessian (optimal brain damage, LeCun et al. 1989).
    """
    w = weight.detach().float()
    return w * w * square / 2 - w * mean


def spread(samples: Sequence[Sample], limit: float) -> list[Sample]:
    """`limit` of the samples at most, evenly spread (0: all)."""
    if limit <= 0 or len(samples) <= limit:
        return list(samples)
    return [samples[i * len(samples) // int(limit)] for i in range(int(limit))]


# ------------------------------------------------------------------------------------------ choosing


def top(scores: Scores, share: float, who: str, remedy: str) -> dict[str, Tensor]:
    """True for the `share` with the highest scores of all layers together, exactly so many; never for a score of 0.

    Raises:
        StudyError: nothing scores above 0, or a score is not a finite number; the message begins with `who`.
    """
    total = sum(s.numel() for s in scores.values())
    wanted = max(1, round(share * total))
    if not all(bool(torch.isfinite(s).all()) for s in scores.values()):
        raise StudyError(f"{who}: a score is not a finite number", remedy)
    if not any(bool((s > 0).any()) for s in scores.values()):
        raise StudyError(f"{who}: every score is zero, so there is nothing to choose by", remedy)
    bound = _smallest_of_top(scores, wanted)
    chosen = {name: s > bound for name, s in scores.items()}
    missing = wanted - sum(int(c.sum()) for c in chosen.values())
    for name, s in scores.items():  # equal ones at the bound: the first, in the model's order
        tied = torch.nonzero((s == bound).flatten()).flatten()[: max(0, missing)]
        if bound > 0 and len(tied):
            chosen[name].view(-1)[tied] = True
            missing -= len(tied)
    return chosen


def _smallest_of_top(scores: Scores, wanted: int) -> float:
    """The `wanted`-th largest of all scores, by halving: the bits of floats from 0 on are in their order."""
    low, high = 0, int(torch.tensor(torch.finfo(torch.float32).max).view(torch.int32))
    bits = [s.float().clamp(min=0).contiguous().view(torch.int32) for s in scores.values()]
    while low < high:
        middle = (low + high + 1) // 2
        if sum(int((b >= middle).sum()) for b in bits) >= wanted:
            low = middle
        else:
            high = middle - 1
    return float(torch.tensor(low, dtype=torch.int32).view(torch.float32))


def share_of(masks: Mapping[str, Tensor]) -> float:
    """What part of all entries is true."""
    return sum(int(m.sum()) for m in masks.values()) / max(1, sum(m.numel() for m in masks.values()))


# -------------------------------------------------------------------------------------- activations


@dataclass
class Activity:
    """Sums over tokens of one layer's neurons (I,), from which the four statistics of MANU follow."""

    count: int
    first: Tensor
    absolute: Tensor
    square: Tensor
    active: Tensor

    @classmethod
    def of(cls, size: int, device: torch.device) -> Activity:
        return cls(0, *(torch.zeros(size, device=device, dtype=torch.float64) for _ in range(4)))

    def add(self, values: Tensor) -> None:
        """Take in activations (tokens, I). A neuron is active where it is above the mean size of its layer."""
        x = values.detach().double()
        self.count += len(x)
        self.first += x.sum(0)
        self.absolute += x.abs().sum(0)
        self.square += (x * x).sum(0)
        self.active += (x.abs() > x.abs().mean()).sum(0)

    def importance(self) -> Tensor:
        """Sum of mean size, frequency, variance and root mean square, each relative to its mean over the layer."""
        n = max(1, self.count)
        mean, square = self.first / n, self.square / n
        statistics = (self.absolute / n, self.active / n, (square - mean * mean).clamp(min=0), square.sqrt())
        return torch.stack([s / s.mean().clamp(min=1e-12) for s in statistics]).sum(0).float()


def activations(lab: Lab, samples: Sequence[Sample]) -> Scores:
    """Importance of each MLP neuron: of the language model where it predicts an answer token, of the vision tower at
    all patches. The name is that of the layer that the neurons feed; layers that see nothing are left out.

    Raises:
        StudyError: the method's layers have no MLP outputs.
    """
    layers = {n: layer for n, layer in lab.layers.items() if (p := adapters.place_of(n)) and "down" in p.modules}
    if not layers:
        raise StudyError(f"{lab.config.method}: activations finds no MLP in the method's layers", "add modules mlp")
    seen = {name: Activity.of(layer.in_features, lab.vlm.device) for name, layer in layers.items()}
    batch: Batch | None = None

    def look(name: str, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0]
        place = adapters.place_of(name)
        if place is not None and place.part == "language" and batch is not None:
            x = x[:, :-1][batch.answers[:, 1:]]
        seen[name].add(x.flatten(0, -2))

    hooks = [layers[n].register_forward_pre_hook(lambda _m, inputs, n=n: look(n, inputs)) for n in seen]
    net = AnswerModel(lab.vlm.model, lab.vlm.image_token)
    try:
        with torch.no_grad():
            for start in range(0, len(samples), CHUNK):
                batch = lab.encoder.batch(samples[start : start + CHUNK]).to(lab.vlm.device)
                net(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: activity.importance() for name, activity in seen.items() if activity.count}
