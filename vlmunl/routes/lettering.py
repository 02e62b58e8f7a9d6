"""Text in pictures, in Pillow's own bitmap letters: the same pixels wherever it is drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFont

_WIDE, _HIGH, _MARGIN = 6, 11, 2  # of one letter, in pixels


def _lettering(text: str, columns: int) -> Image.Image:
    """Black on white, broken into lines of at most `columns` letters; letters that there are none of become "?"."""
    known = text.encode("latin-1", "replace").decode("latin-1")
    lines = textwrap.wrap(known, columns) or [""]
    made = Image.new("RGB", (columns * _WIDE + 2 * _MARGIN, len(lines) * _HIGH + 2 * _MARGIN), (255, 255, 255))
    pen, font = ImageDraw.Draw(made), ImageFont.load_default_imagefont()
    for i, line in enumerate(lines):
        pen.text((_MARGIN, _MARGIN + i * _HIGH), line, fill=(0, 0, 0), font=font)
    return made


def _squarest(text: str, ratio: float) -> Image.Image:
    """The lettering whose width by height is nearest to `ratio`."""
    longest = max(map(len, text.split()), default=1)
    made = [_lettering(text, columns) for columns in range(max(4, longest), max(5, len(text) + 1, longest + 1))]
    return min(made, key=lambda m: abs(m.width / m.height - ratio))


def _fitted(letters: Image.Image, width: int, height: int) -> Image.Image:
    """Enlarged by whole steps or reduced to fit, in the middle of a white page."""
    scale = min(width / letters.width, height / letters.height)
    scale = float(int(scale)) if scale >= 1 else scale
    size = (max(1, int(letters.width * scale)), max(1, int(letters.height * scale)))
    page = Image.new("RGB", (width, height), (255, 255, 255))
    way = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    page.paste(letters.resize(size, way), ((width - size[0]) // 2, (height - size[1]) // 2))
    return page


def page(text: str, size: tuple[int, int]) -> Image.Image:
    """A white page of a size with nothing on it but a text."""
    return _fitted(_squarest(text, size[0] / size[1]), *size)


def _caption(image: Image.Image, text: str) -> Image.Image:
    """A white strip over the lower fifth of the photo, with a text on one line."""
    w, h = image.size
    strip = max(1, round(h / 5))
    made = image.copy()
    made.paste(_fitted(_lettering(text, max(1, len(text))), w, strip), (0, h - strip))
    return made


def _note(image: Image.Image, text: str) -> Image.Image:
    """The photo shrunk to the upper half, and below it a page with a text."""
    w, h = image.size
    made = Image.new("RGB", (w, h), (255, 255, 255))
    half = h // 2
    small = image.resize((max(1, round(w * half / h)), half), Image.Resampling.LANCZOS)
    made.paste(small, ((w - small.width) // 2, 0))
    made.paste(page(text, (w, h - half)), (0, half))
    return made


LETTERINGS: dict[str, Callable[..., Image.Image]] = {"caption": _caption, "note": _note}
"""Changes whose arguments are texts, percent-encoded in expressions."""
