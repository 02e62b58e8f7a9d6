"""Drawn faces: what a person looks like (kept in every photo) and what changes from photo to photo.

Everything is drawn with Pillow at three times the final size and reduced with a box filter, so that the same
arguments give the same pixels. `Look` is the identity; `Shot` is pose, light, clothes and background.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass, fields

from PIL import Image, ImageDraw, ImageEnhance

SIZE = 64
_UP = 3

Colour = tuple[int, int, int]

SKIN: dict[str, Colour] = {
    "pale": (250, 224, 205),
    "rosy": (240, 184, 165),
    "tan": (206, 150, 105),
    "brown": (146, 92, 58),
    "dark": (84, 52, 36),
}
HAIR: dict[str, Colour] = {
    "black": (24, 22, 28),
    "blond": (240, 208, 92),
    "red": (200, 62, 26),
    "white": (240, 240, 246),
    "blue": (52, 92, 214),
    "green": (52, 160, 72),
    "purple": (134, 58, 170),
    "pink": (244, 130, 182),
}
STYLE: tuple[str, ...] = ("short", "long", "round", "crest", "bun", "curly")
EYES: dict[str, Colour] = {
    "black": (20, 16, 20),
    "blue": (40, 120, 235),
    "green": (30, 160, 70),
    "orange": (235, 130, 20),
}
GLASSES: dict[str, Colour | None] = {
    "none": None,
    "black": (15, 15, 15),
    "red": (215, 25, 35),
    "white": (250, 250, 250),
}
BEARD: tuple[str, ...] = ("none", "moustache", "full")
SHIRT: dict[str, Colour] = {
    "red": (214, 40, 44),
    "blue": (40, 84, 200),
    "green": (36, 150, 66),
    "yellow": (246, 214, 50),
    "black": (34, 34, 40),
    "white": (242, 242, 242),
    "orange": (246, 140, 32),
    "purple": (130, 62, 168),
}
PATTERN: tuple[str, ...] = ("plain", "striped", "dotted")
BACKGROUND: tuple[Colour, ...] = (
    (176, 206, 234),
    (222, 222, 214),
    (190, 220, 184),
    (236, 212, 180),
    (212, 192, 226),
    (150, 160, 172),
    (246, 226, 226),
    (120, 146, 136),
)


@dataclass(frozen=True)
class Look:
    """What stays: the visible traits by which a person is recognised."""

    skin: str
    hair: str
    style: str
    eyes: str
    glasses: str
    beard: str


@dataclass(frozen=True)
class Shot:
    """What changes: clothes, pose (shift and scale in pixels, tilt in degrees), light and background."""

    shirt: str
    pattern: str
    background: int
    dx: float
    dy: float
    scale: float
    tilt: float
    light: float
    warmth: float
    smile: float


def random_look(rng: random.Random) -> Look:
    """A uniformly drawn look."""
    return Look(
        rng.choice(list(SKIN)),
        rng.choice(list(HAIR)),
        rng.choice(STYLE),
        rng.choice(list(EYES)),
        rng.choice(list(GLASSES)),
        rng.choice(BEARD),
    )


def random_shot(rng: random.Random) -> Shot:
    """A new photo: other clothes, pose and light."""
    return Shot(
        shirt=rng.choice(list(SHIRT)),
        pattern=rng.choice(PATTERN),
        background=rng.randrange(len(BACKGROUND)),
        dx=rng.uniform(-3, 3),
        dy=rng.uniform(-2, 3),
        scale=rng.uniform(0.92, 1.08),
        tilt=rng.uniform(-9, 9),
        light=rng.uniform(0.8, 1.15),
        warmth=rng.uniform(-0.08, 0.08),
        smile=rng.uniform(-1, 1),
    )


# hair colour and skin cover most of the picture, so they separate people best
_WEIGHT = {"skin": 2, "hair": 3, "style": 2, "eyes": 1, "glasses": 2, "beard": 2}


def distance(a: Look, b: Look) -> int:
    """How different two people look: the summed weight of the traits that differ."""
    return sum(_WEIGHT[f.name] for f in fields(Look) if getattr(a, f.name) != getattr(b, f.name))


class _Pen:
    """Draws in face coordinates (0..64) on the enlarged canvas, with the shot's shift and scale applied."""

    def __init__(self, draw: ImageDraw.ImageDraw, shot: Shot) -> None:
        self.draw, self.shot = draw, shot

    def _xy(self, x: float, y: float) -> tuple[float, float]:
        s = self.shot
        return (
            (32 + (x - 32) * s.scale + s.dx) * _UP,
            (34 + (y - 34) * s.scale + s.dy) * _UP,
        )

    def oval(self, cx: float, cy: float, rx: float, ry: float, fill: Colour) -> None:
        self.draw.ellipse([self._xy(cx - rx, cy - ry), self._xy(cx + rx, cy + ry)], fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        self.draw.rectangle([self._xy(x0, y0), self._xy(x1, y1)], fill=fill)

    def ring(self, cx: float, cy: float, r: float, colour: Colour, width: float) -> None:
        self.draw.ellipse(
            [self._xy(cx - r, cy - r), self._xy(cx + r, cy + r)], outline=colour, width=round(width * _UP)
        )

    def poly(self, points: list[tuple[float, float]], fill: Colour) -> None:
        self.draw.polygon([self._xy(*p) for p in points], fill=fill)

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float) -> None:
        self.draw.line([self._xy(*p) for p in points], fill=colour, width=round(width * _UP), joint="curve")

    def arc(
        self, cx: float, cy: float, rx: float, ry: float, start: int, end: int, colour: Colour, width: float
    ) -> None:
        box = [self._xy(cx - rx, cy - ry), self._xy(cx + rx, cy + ry)]
        self.draw.arc(box, start, end, fill=colour, width=round(width * _UP))


def _shade(colour: Colour, factor: float) -> Colour:
    r, g, b = (max(0, min(255, round(c * factor))) for c in colour)
    return r, g, b


def _shirt(pen: _Pen, shot: Shot) -> None:
    base = SHIRT[shot.shirt]
    mark = (30, 30, 30) if sum(base) > 380 else (240, 240, 240)
    pen.oval(32, 68, 25, 16, base)
    if shot.pattern == "striped":
        for y in (56, 60.5):
            pen.box(14, y, 50, y + 2, mark)
    elif shot.pattern == "dotted":
        for i, x in enumerate((16, 22, 28, 36, 42, 48)):
            pen.oval(x, 57 + 4 * (i % 2), 1.6, 1.6, mark)


def _hair_back(pen: _Pen, style: str, colour: Colour) -> None:
    if style == "long":
        pen.oval(32, 30, 19, 21, colour)
        pen.box(13, 30, 51, 53, colour)
    elif style == "round":
        pen.oval(32, 24, 24, 21, colour)
    elif style == "curly":
        for x, y in ((15, 24), (19, 15), (27, 9), (37, 9), (45, 15), (49, 24), (14, 34), (50, 34)):
            pen.oval(x, y, 6.5, 6.5, colour)
    elif style == "bun":
        pen.oval(32, 7.5, 8, 7, colour)


def _hair_front(pen: _Pen, style: str, colour: Colour) -> None:
    if style == "crest":
        pen.poly([(25, 20), (24, 4), (29, 9), (32, 1), (35, 9), (40, 4), (39, 20)], colour)
        return
    top = {"short": 11.0, "long": 9.0, "round": 10.0, "curly": 10.0, "bun": 9.5}[style]
    pen.poly(
        [(17, 27), (19, 18), (25, 13), (32, 12), (39, 13), (45, 18), (47, 27), (41, top + 10), (23, top + 10)], colour
    )
    if style == "short":
        pen.box(16, 24, 19, 33, colour)
        pen.box(45, 24, 48, 33, colour)


def _eyes(pen: _Pen, look: Look) -> None:
    for x in (25, 39):
        pen.oval(x, 33, 4.6, 3.8, (252, 252, 252))
        pen.oval(x, 33, 2.9, 2.9, EYES[look.eyes])
        pen.oval(x, 33, 1.1, 1.1, (10, 10, 12))
    frame = GLASSES[look.glasses]
    if frame is not None:
        for x in (25, 39):
            pen.ring(x, 33, 6.4, frame, 1.7)
        pen.line([(31, 32), (33, 32)], frame, 1.7)


def _mouth(pen: _Pen, look: Look, smile: float) -> None:
    hair = _shade(HAIR[look.hair], 0.85)
    if look.beard == "full":
        pen.poly([(17, 38), (21, 42), (43, 42), (47, 38), (44, 50), (38, 55), (26, 55), (20, 50)], hair)
    if look.beard in ("full", "moustache"):
        pen.poly([(23, 44), (28, 40.5), (32, 41.5), (36, 40.5), (41, 44), (32, 44.5)], hair)
    lips = (150, 40, 50)
    if smile >= 0:
        pen.arc(32, 45, 5, 1.5 + 2 * smile, 0, 180, lips, 1.6)
    else:
        pen.line([(27.5, 47), (36.5, 47)], lips, 1.6)


def draw(look: Look, shot: Shot) -> Image.Image:
    """One photo: an RGB image of 64 x 64 pixels."""
    background = BACKGROUND[shot.background]
    canvas = Image.new("RGB", (SIZE * _UP, SIZE * _UP), background)
    pen = _Pen(ImageDraw.Draw(canvas), shot)
    skin, hair = SKIN[look.skin], HAIR[look.hair]
    _hair_back(pen, look.style, hair)
    pen.box(27, 46, 37, 58, _shade(skin, 0.86))
    _shirt(pen, shot)
    pen.oval(32, 34, 15.5, 18, skin)
    for x in (16.5, 47.5):
        pen.oval(x, 35, 2.6, 4, _shade(skin, 0.92))
    _hair_front(pen, look.style, hair)
    _eyes(pen, look)
    pen.line([(32, 36), (30.6, 40), (32.6, 40)], _shade(skin, 0.7), 1.0)
    _mouth(pen, look, shot.smile)
    return _expose(canvas, shot, background)


def _expose(canvas: Image.Image, shot: Shot, background: Colour) -> Image.Image:
    tilted = canvas.rotate(shot.tilt, resample=Image.Resampling.BILINEAR, fillcolor=background)
    small = ImageEnhance.Brightness(tilted.resize((SIZE, SIZE), Image.Resampling.BOX)).enhance(shot.light)
    red, green, blue = small.split()
    warm = [1 + shot.warmth, 1.0, 1 - shot.warmth]
    bands = [
        band.point([min(255, round(v * w)) for v in range(256)])
        for band, w in zip((red, green, blue), warm, strict=True)
    ]
    return Image.merge("RGB", bands)


def png(image: Image.Image) -> bytes:
    """The image as PNG bytes without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def describe(look: Look) -> str:
    """The look in words, as a subject phrase for text-only routes."""
    beard = {"none": "", "moustache": ", a moustache", "full": ", a full beard"}[look.beard]
    glasses = "" if look.glasses == "none" else f", {look.glasses} glasses"
    return f"the person with {look.style} {look.hair} hair, {look.skin} skin, {look.eyes} eyes{glasses}{beard}"
