"""Image changes by name: `photo:0 | crop:0.8` is the canonical photo, then its middle 80 %.

Every change is a function of the picture and its arguments alone, and keeps the size; boxes are fractions of it. What
is drawn at random has its seed among the arguments. Changes that show other people beside are given their photos.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from urllib.parse import unquote

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from vlmunl.errors import StudyError
from vlmunl.rng import Streams
from vlmunl.routes.lettering import LETTERINGS
from vlmunl.routes.naming import code, split
from vlmunl.routes.scenes import COMPANY, SCENES

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


def _crop_at(image: Image.Image, x0: float, y0: float, x1: float, y1: float) -> Image.Image:
    """A box of the picture, enlarged."""
    w, h = image.size
    return image.resize((w, h), Image.Resampling.BICUBIC, box=(x0 * w, y0 * h, x1 * w, y1 * h))


def _upside(image: Image.Image) -> Image.Image:
    return ImageOps.flip(image)


def _turn(image: Image.Image, degrees: float) -> Image.Image:
    """By a multiple of 90 degrees; pictures that are not square are stretched back."""
    turned = image.rotate(degrees, expand=True)
    return turned if turned.size == image.size else turned.resize(image.size, Image.Resampling.BICUBIC)


def _bars(image: Image.Image, keep: float) -> Image.Image:
    """Letterbox: the picture shrunk in height between black bars."""
    w, h = image.size
    small = image.resize((w, max(1, round(h * keep))), Image.Resampling.LANCZOS)
    made = Image.new("RGB", (w, h))
    made.paste(small, (0, (h - small.height) // 2))
    return made


def _hue(image: Image.Image, degrees: float) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    shift = round(degrees / 360 * 256)
    turned = hue.point([(v + shift) % 256 for v in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _saturate(image: Image.Image, gain: float) -> Image.Image:
    return ImageEnhance.Color(image).enhance(gain)


def _contrast(image: Image.Image, gain: float) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(gain)


def _channels(image: Image.Image) -> Image.Image:
    """Red and blue change places."""
    red, green, blue = image.split()
    return Image.merge("RGB", (blue, green, red))


def _patches(image: Image.Image, count: float, side: float, seed: float) -> Image.Image:
    """Grey squares at random places; `side` is a fraction of the width."""
    draw = Streams(int(seed)).child("routes", "patches").python()
    covered = image
    for _ in range(int(count)):
        x, y = draw.uniform(0, 1 - side), draw.uniform(0, 1 - side)
        covered = _cover(covered, x, y, x + side, y + side)
    return covered


def _posterise(image: Image.Image, bits: float) -> Image.Image:
    return ImageOps.posterize(image, int(bits))


def _solarise(image: Image.Image, threshold: float) -> Image.Image:
    return ImageOps.solarize(image, int(threshold))


def _edges(image: Image.Image) -> Image.Image:
    """A drawing: dark lines on white."""
    return ImageOps.invert(ImageOps.grayscale(image).filter(ImageFilter.FIND_EDGES)).convert("RGB")


def _brush(image: Image.Image, size: float) -> Image.Image:
    """As if painted: each pixel is the commonest of its neighbours."""
    return image.filter(ImageFilter.ModeFilter(int(size)))


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
    "crop_at": _crop_at,
    "upside": _upside,
    "turn": _turn,
    "bars": _bars,
    "hue": _hue,
    "saturate": _saturate,
    "contrast": _contrast,
    "channels": _channels,
    "patches": _patches,
    "posterise": _posterise,
    "solarise": _solarise,
    "edges": _edges,
    "brush": _brush,
    **SCENES,
    **COMPANY,
    **LETTERINGS,
}
"""By the name that a route's `image` uses."""


def apply(image: Image.Image, change: str, company: Sequence[Image.Image] = ()) -> Image.Image:
    """One change written `name` or `name:argument:argument`; `company` are photos of other people.

    Raises:
        StudyError: no change has this name, or its arguments are not such as it takes.
    """
    name, written = split(change)
    function = code("image change", name, CHANGES)
    try:
        if name in LETTERINGS:
            return function(image, *(unquote(text) for text in written))  # type: ignore[no-any-return]
        numbers = [float(text) for text in written]
        made: Image.Image = function(image, company, *numbers) if name in COMPANY else function(image, *numbers)
    except (TypeError, ValueError) as error:
        raise StudyError(f"the image change {change!r} cannot be made: {error}") from error
    return made


def plain(colour: str, size: tuple[int, int]) -> Image.Image:
    """A picture without content."""
    return Image.new("RGB", size, {"grey": (128, 128, 128), "black": (0, 0, 0), "white": (255, 255, 255)}[colour])


def static(seed: str, size: tuple[int, int]) -> Image.Image:
    """A picture of noise alone, each value uniform."""
    draw = Streams(int(seed)).child("routes", "static").numpy()
    return Image.fromarray(draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
