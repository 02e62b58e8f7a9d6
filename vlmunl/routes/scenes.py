"""Photos within something: a scene, a screen, a poster, another background, or a grid with other people.

Faces are taken to be where a portrait has them, in the ellipse `FACE`. All are functions of the pictures alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from vlmunl.rng import Streams

FACE = (0.5, 0.5, 0.36, 0.46)
"""Centre and radii of head and hair in a portrait, as fractions of width and height."""

_SKY, _GROUND, _WALL, _ROOF, _DARK = (150, 190, 230), (120, 160, 90), (222, 208, 180), (170, 80, 60), (32, 32, 38)


def _small(image: Image.Image, scale: float) -> Image.Image:
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _scene(image: Image.Image, scale: float, x: float, y: float) -> Image.Image:
    """The photo, `scale` times as large, at (x, y) in a picture of a house on a meadow."""
    w, h = image.size
    made = Image.new("RGB", (w, h), _SKY)
    pen = ImageDraw.Draw(made)
    pen.rectangle((0, round(0.7 * h), w, h), fill=_GROUND)
    pen.rectangle((round(0.55 * w), round(0.35 * h), round(0.92 * w), round(0.74 * h)), fill=_WALL)
    pen.polygon(
        [(round(0.5 * w), round(0.36 * h)), (round(0.735 * w), round(0.14 * h)), (w, round(0.36 * h))], fill=_ROOF
    )
    pen.rectangle((round(0.68 * w), round(0.52 * h), round(0.78 * w), round(0.74 * h)), fill=_DARK)
    made.paste(_small(image, scale), (round(x * w), round(y * h)))
    return made


def _screen(image: Image.Image) -> Image.Image:
    """On the screen of a telephone that lies on a table."""
    w, h = image.size
    made = Image.new("RGB", (w, h), (178, 140, 104))
    pen = ImageDraw.Draw(made)
    pen.rounded_rectangle((round(0.14 * w), 0, round(0.86 * w), h - 1), radius=round(0.08 * w), fill=_DARK)
    made.paste(_small(image, 0.64), (round(0.18 * w), round(0.16 * h)))
    pen.ellipse((round(0.46 * w), round(0.88 * h), round(0.54 * w), round(0.96 * h)), fill=(90, 90, 96))
    return made


def _poster(image: Image.Image) -> Image.Image:
    """As a poster with a white margin on a brick wall."""
    w, h = image.size
    made = Image.new("RGB", (w, h), (150, 74, 58))
    pen = ImageDraw.Draw(made)
    rows = 8
    for row in range(rows):
        y = round(row * h / rows)
        pen.line((0, y, w, y), fill=(196, 180, 170))
        for k in range(4):
            x = round((k + 0.5 * (row % 2)) * w / 4)
            pen.line((x, y, x, y + round(h / rows)), fill=(196, 180, 170))
    pen.rectangle((round(0.13 * w), round(0.13 * h), round(0.87 * w) - 1, round(0.87 * h) - 1), fill=(246, 244, 238))
    made.paste(_small(image, 0.66), (round(0.17 * w), round(0.17 * h)))
    return made


def _head(size: tuple[int, int]) -> Image.Image:
    """Mask of the ellipse in which a portrait has the head, drawn large and reduced."""
    w, h = size[0] * 4, size[1] * 4
    cx, cy, rx, ry = FACE
    mask = Image.new("L", (w, h))
    ImageDraw.Draw(mask).ellipse(((cx - rx) * w, (cy - ry) * h, (cx + rx) * w, (cy + ry) * h), fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def _cut_out(image: Image.Image) -> Image.Image:
    """The head alone; all else is grey."""
    return Image.composite(image, Image.new("RGB", image.size, (128, 128, 128)), _head(image.size))


def _backdrop(image: Image.Image, seed: float) -> Image.Image:
    """The head before soft patches of random colour."""
    draw = Streams(int(seed)).child("routes", "backdrop").numpy()
    few = Image.fromarray(draw.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return Image.composite(image, few.resize(image.size, Image.Resampling.BICUBIC), _head(image.size))


def _cells(image: Image.Image, company: Sequence[Image.Image], columns: int, rows: int, place: int) -> Image.Image:
    """A grid with the photo at `place` and others around it; cells that nobody fills stay grey."""
    w, h = image.size
    made = Image.new("RGB", (w, h), (128, 128, 128))
    others = iter(company)
    for i in range(columns * rows):
        shown = image if i == place else next(others, None)
        if shown is not None:
            x0, y0 = round(i % columns * w / columns), round(i // columns * h / rows)
            x1, y1 = round((i % columns + 1) * w / columns), round((i // columns + 1) * h / rows)
            made.paste(shown.resize((x1 - x0, y1 - y0), Image.Resampling.LANCZOS), (x0, y0))
    return made


def _collage(image: Image.Image, company: Sequence[Image.Image], place: float) -> Image.Image:
    """Two by two photos of four people; places are counted in reading order from 0."""
    return _cells(image, company, 2, 2, int(place))


def _pair(image: Image.Image, company: Sequence[Image.Image], place: float) -> Image.Image:
    """Two photos of two people, one beside the other, each half as wide and high."""
    w, h = image.size
    grid = _cells(image, [c for c in company[:1] for _ in range(1)], 2, 2, int(place))
    row = grid.crop((0, 0, w, h // 2))
    made = Image.new("RGB", (w, h), (128, 128, 128))
    made.paste(row, (0, h // 4))
    return made


def _tiles(image: Image.Image) -> Image.Image:
    """The same photo four times."""
    return _cells(image, [image] * 3, 2, 2, 0)


SCENES: dict[str, Callable[..., Image.Image]] = {
    "scene": _scene,
    "screen": _screen,
    "poster": _poster,
    "cut_out": _cut_out,
    "backdrop": _backdrop,
    "tiles": _tiles,
}
COMPANY: dict[str, Callable[..., Image.Image]] = {"collage": _collage, "pair": _pair}
"""Changes that take photos of other people after the picture."""
