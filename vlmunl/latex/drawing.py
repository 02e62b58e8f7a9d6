"""What all figures share: one style, shapes that differ without colour, and files that are equal byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vlmunl.latex.results import Interval

COLUMN, PAGE = 3.3, 7.0  # inches: one column and the full text width of a two-column paper
SMALL, TEXT = 6.5, 7.5  # points
INK, GREY, PALE = "#1a1a1a", "#6b6b6b", "#d9d9d9"
_WIDE = 0.6  # of an interval that reaches further beyond 0 or 1 the rest is cut off, and an arrow says so
PIXELS = 200  # per inch, of the PNG

_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # shipped with matplotlib, so the same everywhere
    "font.size": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # labels are text; a dollar sign is a dollar sign
    "text.usetex": False,
    "pdf.fonttype": 42,  # TrueType: many venues refuse Type 3
    "pdf.compression": 6,
    "svg.hashsalt": "vlmunl",
}


@dataclass(frozen=True)
class Look:
    """How a verdict is marked: shape, fill and colour each tell it apart; the colours are Okabe and Ito's."""

    marker: str
    face: str
    edge: str


LOOKS = {
    "recovers": Look("D", "#d55e00", "#7a3600"),
    "no recovery shown": Look("s", "white", "#0072b2"),
    "robust": Look("o", "#56b4e9", "#0072b2"),
    "not assessable": Look("X", PALE, GREY),
    "reference": Look("P", INK, INK),
}


def look(verdict: str) -> Look:
    """The mark of a verdict; roles are references."""
    known = next((name for name in LOOKS if verdict.startswith(name)), "reference")
    return LOOKS[known]


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's own defaults, then ours, whatever the user's configuration says."""
    from matplotlib import style as styles

    with styles.context(["default", _STYLE]):
        yield


def blank(width: float, height: float) -> Figure:
    """An empty figure in inches, outside pyplot's global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def place(figure: Figure, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """One axes whose margins are given in inches."""
    width, height = figure.get_size_inches()
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    return figure.add_axes(box)


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `name.pdf` and `name.png` without date, host or version; must be called within `style()`."""
    pdf, png = folder / f"{name}.pdf", folder / f"{name}.png"
    figure.savefig(pdf, format="pdf", metadata={"Creator": "vlmunl", "Producer": None, "CreationDate": None})
    figure.savefig(png, format="png", dpi=PIXELS, metadata={"Software": None})
    return pdf, png


def label(text: str, width: int = 18) -> str:
    """One line of at most `width` characters, shortened in the middle; what the font lacks becomes its code point."""
    glyphs = _glyphs()
    line = " ".join(text.split())
    shown = "".join(c if ord(c) in glyphs else f"[U+{ord(c):04X}]" for c in line)
    if len(shown) <= width:
        return shown
    head = width // 2
    return shown[:head] + "\u2026" + shown[len(shown) - (width - 1 - head) :]


def labels(texts: list[str], width: int = 18) -> list[str]:
    """Labels of one width, made longer until what differs in full differs on paper."""
    longest = max(map(len, texts), default=0)
    while width < longest and len({label(text, width) for text in texts}) < len(set(texts)):
        width += 2
    return [label(text, width) for text in texts]


def signed(text: str) -> str:
    """A number with a true minus sign."""
    return text.replace("-", "\u2212")


def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def recovery_limits(intervals: Iterable[Interval], low: float, high: float) -> tuple[float, float]:
    """An axis of recovery that holds all estimates and 0 to 1; of an interval that is very wide it holds a part."""
    shown = list(intervals)
    estimates = [i.estimate for i in shown]
    ends = [end for i in shown for end in (i.low, i.high) if end is not None]
    least = max(min([*ends, low]), min([*estimates, -_WIDE]))
    most = min(max([*ends, high]), max([*estimates, 1 + _WIDE]))
    return min([least, *estimates]) - 0.03, max([most, *estimates]) + 0.03


def text_width(text: str, size: float = TEXT) -> float:
    """Width of a line in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    prop = FontProperties(family="DejaVu Sans", size=size)
    width, _, _ = TextToPath().get_text_width_height_descent(text, prop, ismath=False)
    return float(width) / 72


def widest(texts: list[str], size: float = TEXT) -> float:
    """Width of the widest line in inches, 0 without any."""
    return max((text_width(text, size) for text in texts), default=0.0)
