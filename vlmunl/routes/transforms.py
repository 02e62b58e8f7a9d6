"""Image changes by name: `photo:0 | crop:0.8` is the canonical photo, then its middle 80 %.

Every change is a function of the picture and its arguments alone. Noise has its seed among the arguments.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from vlmunl.rng import Streams

Change = Callable[..., Image.Image]


def _flip(image: Image.Image) -> Image.Image:
    return ImageOps.mirror(image)


def _crop(image: Image.Image, keep: float) -> Image.Image:
    w, h = image.size
    dx, dy = w * (1 - keep) / 2, h * (1 - keep) / 2
    return image.resize((w, h), Image.Resampling.BICUBIC, box=(dx, dy, w - dx, h - dy))


def _pad(image: Image.Image, scale: float) -> Image.Image:
    w, h = image.size
    small = image.resize((round(w * scale), round(h * scale)), Image.Resampling.LANCZOS)
    left, top = (w - small.width) // 2, (h - small.height) // 2
    return _bordered(small, left, top, w - small.width - left, h - small.height - top)


def _bordered(image: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """The border repeats the outermost pixels, so that no new colour enters."""
    widths = ((top, bottom), (left, right), (0, 0))
    return Image.fromarray(np.pad(np.asarray(image), widths, mode="edge"))


def _rotate(image: Image.Image, degrees: float) -> Image.Image:
    w, h = image.size
    large = _bordered(image, w // 4, h // 4, w // 4, h // 4)
    turned = large.rotate(degrees, Image.Resampling.BICUBIC)
    return turned.crop((w // 4, h // 4, w // 4 + w, h // 4 + h))


def _blur(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius * image.width / 64))


def _noise(image: Image.Image, deviation: float, seed: float) -> Image.Image:
    draw = Streams(int(seed)).child("routes", "noise").numpy()
    values = np.asarray(image, dtype=np.float32)
    noisy = values + draw.normal(0.0, 255 * deviation, values.shape).astype(np.float32)
    return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, quality: float) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(quality), subsampling=2, optimize=False)
    return Image.open(buffer).convert("RGB")


def _lowres(image: Image.Image, scale: float) -> Image.Image:
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BILINEAR)


def _grey(image: Image.Image) -> Image.Image:
    return ImageOps.grayscale(image).convert("RGB")


def _light(image: Image.Image, gain: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(gain)


def _invert(image: Image.Image) -> Image.Image:
    return ImageOps.invert(image)


def _cover(image: Image.Image, x0: float, y0: float, x1: float, y1: float) -> Image.Image:
    w, h = image.size
    box = (round(x0 * w), round(y0 * h), round(x1 * w), round(y1 * h))
    covered = image.copy()
    covered.paste((128, 128, 128), box)
    return covered


CHANGES: dict[str, Change] = {
    "flip": _flip,
    "crop": _crop,
    "pad": _pad,
    "rotate": _rotate,
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "lowres": _lowres,
    "grey": _grey,
    "light": _light,
    "invert": _invert,
    "cover": _cover,
}


def apply(image: Image.Image, change: str) -> Image.Image:
    """One change written `name` or `name:number:number`.

    Raises:
        KeyError: no change has this name.
    """
    name, *numbers = change.split(":")
    return CHANGES[name](image, *(float(n) for n in numbers))


def plain(colour: str, size: tuple[int, int]) -> Image.Image:
    """A picture without content."""
    return Image.new("RGB", size, {"grey": (128, 128, 128), "black": (0, 0, 0), "white": (255, 255, 255)}[colour])
