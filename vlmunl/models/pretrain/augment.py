"""Random changes of whole image batches in torch: what makes the embedded model see through transformed images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf

_GREY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def _affine(images: torch.Tensor, rng: torch.Generator, strength: float) -> torch.Tensor:
    """Flip, shift, scale and turn each image by its own random amount; `images` is (B, 3, H, W) in [-1, 1]."""
    n = images.shape[0]

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, generator=rng) * (high - low) + low

    flip = torch.where(torch.rand(n, generator=rng) < 0.3 * strength, -1.0, 1.0)
    moved = (torch.rand(n, generator=rng) < 0.6 * strength).float()
    turned = (torch.rand(n, generator=rng) < 0.35 * strength).float()
    zoom = 1 + moved * uniform(-0.3, 0.35)
    angle = turned * uniform(-0.45, 0.45)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = flip * zoom * torch.cos(angle)
    theta[:, 0, 1] = -zoom * torch.sin(angle)
    theta[:, 1, 0] = flip * zoom * torch.sin(angle)
    theta[:, 1, 1] = zoom * torch.cos(angle)
    theta[:, :, 2] = moved[:, None] * (torch.rand(n, 2, generator=rng) * 0.4 - 0.2)
    grid = nnf.affine_grid(theta, list(images.shape), align_corners=False)
    return nnf.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _chosen(n: int, p: float, rng: torch.Generator) -> torch.Tensor:
    return torch.nonzero(torch.rand(n, generator=rng) < p).flatten()


def _blur(images: torch.Tensor) -> torch.Tensor:
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel2 = (kernel[:, None] * kernel[None, :]).expand(3, 1, 5, 5)
    padded = nnf.pad(images, (2, 2, 2, 2), mode="replicate")
    return nnf.conv2d(padded, kernel2, groups=3)


def _coarse(images: torch.Tensor) -> torch.Tensor:
    small = nnf.interpolate(images, scale_factor=0.5, mode="area")
    return nnf.interpolate(small, size=images.shape[-2:], mode="bilinear", align_corners=False)


def augment(images: torch.Tensor, grey: torch.Tensor, rng: torch.Generator, strength: float = 1.0) -> torch.Tensor:
    """Randomly transformed copies of `images`, (B, 3, H, W) in [-1, 1].

    `grey` (B,) marks pictures whose colours may go: they lose them (or are inverted), since no question asks
    for a colour there. `strength` scales every probability.
    """
    n = images.shape[0]
    out = _affine(images, rng, strength)
    if len(i := _chosen(n, 0.14 * strength, rng)):
        out[i] = _blur(out[i])
    if len(i := _chosen(n, 0.08 * strength, rng)):
        out[i] = _coarse(out[i])
    if len(i := _chosen(n, 0.2 * strength, rng)):
        noise = torch.randn(len(i), *out.shape[1:], generator=rng)
        out[i] = out[i] + noise * torch.rand(len(i), 1, 1, 1, generator=rng) * 0.35
    if len(i := _chosen(n, 0.3 * strength, rng)):
        gain = torch.exp((torch.rand(len(i), 1, 1, 1, generator=rng) * 2 - 1) * math.log(1.8))
        out[i] = (out[i] + 1) * gain - 1
    if len(i := _chosen(n, 0.14 * strength, rng)):
        _occlude(out, i, rng)
    if len(g := torch.nonzero(grey).flatten()):
        value = (out[g] * _GREY).sum(1, keepdim=True).expand(-1, 3, -1, -1)
        inverted = torch.rand(len(g), 1, 1, 1, generator=rng) < 0.3
        out[g] = torch.where(inverted, -out[g], value)
    return out.clamp(-1, 1)


def _occlude(images: torch.Tensor, chosen: torch.Tensor, rng: torch.Generator) -> None:
    size = images.shape[-1]
    for i in chosen.tolist():
        w, h = (int(torch.randint(size // 6, size // 3, (1,), generator=rng)) for _ in range(2))
        x, y = (int(torch.randint(0, size - s, (1,), generator=rng)) for s in (w, h))
        images[i, :, y : y + h, x : x + w] = float(torch.rand(1, generator=rng)) * 2 - 1
