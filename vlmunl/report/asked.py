"""What was asked: the words of each question, its expected answer, and the picture as it was sent.

Rows hold digests alone; words and pictures are made again from the benchmark and the catalogue, and only where these
are what the record used. A picture is shown only if its pixels have the digest that the row names.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from vlmunl.errors import VlmunlError
from vlmunl.report.answers import Item
from vlmunl.routes.asking import Asking
from vlmunl.routes.catalogue import CATALOGUE
from vlmunl.routes.pictures import Pictures
from vlmunl.trail.wording import Wording

if TYPE_CHECKING:
    from PIL import Image

    from vlmunl.benchmarks.schema import Identity
    from vlmunl.routes.questions import Question
    from vlmunl.trail.origin import Origin

PICTURE = "[picture]"
SMALL, LARGEST = 160, 384
"""Pixels: up to the first a picture is embedded as it is, as PNG; larger ones are reduced to the second, as WebP."""
QUALITY = 80


@dataclass(frozen=True)
class Words:
    """A question as it was put, turn by turn, and the expected answer."""

    prompt: str
    expected: str


class Asked:
    """The questions of one study's evaluations."""

    def __init__(self, origin: Origin, cells: Iterable[str]) -> None:
        self.origin = origin
        self.cells = tuple(cells)
        self._questions: dict[tuple[str, str], dict[tuple[str, int], Question]] = {}

    @cached_property
    def asking(self) -> Asking | None:
        """How the benchmark is asked; None where routes or stages are defined otherwise than when it was."""
        for cell in self.cells:
            found = Wording(self.origin.store, self.origin.record(cell)).benchmark
            if found is not None:
                return Asking(found, (), ())
        return None

    @cached_property
    def people(self) -> dict[str, Identity]:
        """Everybody in the benchmark by id."""
        return {i.id: i for i in self.asking.benchmark.identities} if self.asking is not None else {}

    @cached_property
    def _pictures(self) -> Pictures:
        assert self.asking is not None, "there is a question"
        return Pictures(self.asking.benchmark.retain)

    def question(self, item: Item) -> Question | None:
        """The question of an item; None if it cannot be told for certain."""
        key = item.route, item.identity
        if key not in self._questions:
            self._questions[key] = self._of(*key)
        return self._questions[key].get((item.attribute, item.variant))

    def _of(self, route: str, who: str) -> dict[tuple[str, int], Question]:
        if self.asking is None or who not in self.people or route not in CATALOGUE:
            return {}
        try:
            ways = self.asking.always(CATALOGUE[route])
            return {(q.attribute, q.variant): q for q in self.asking.of([self.people[who]], ways)}
        except VlmunlError:
            return {}

    def words(self, item: Item) -> Words | None:
        """What was said, and what should have been."""
        question = self.question(item)
        return None if question is None else Words(_said(question), question.answer)

    def picture(self, item: Item, digest: str) -> str:
        """The picture of an item as a data URI; empty if none was sent, or if it cannot be made as it was."""
        question = self.question(item)
        if question is None or not digest:
            return ""
        try:
            at = self._pictures.of(question.identity, question.image)
        except (VlmunlError, OSError):
            return ""
        if at is None or self._pictures.digests[at] != digest:
            return ""
        return data_uri(self._pictures.image(at))


def _said(question: Question) -> str:
    lines: list[str] = []
    for i, turn in enumerate(question.turns):
        shown = f"{PICTURE} " if question.image_at == i else ""
        lines.append(f"user: {shown}{turn.question}")
        if turn.answer is not None:
            lines.append(f"model: {turn.answer}")
    if question.reply:
        lines.append(f"model, begun for it: {question.reply}")
    return "\n".join(lines)


def data_uri(picture: Image.Image) -> str:
    """A picture as text that needs no file."""
    from PIL import Image

    image, buffer = picture, io.BytesIO()
    if max(image.size) <= SMALL:
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image = image.convert("RGB")
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        image.save(buffer, "WEBP", quality=QUALITY, method=4)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
