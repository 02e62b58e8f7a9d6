"""The pictures that routes ask for, each made and preprocessed once, with a digest of its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import xxhash

from vlmunl.models.images import decode, pixel_values
from vlmunl.routes.transforms import apply, plain

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from vlmunl.benchmarks.schema import Identity


class Pictures:
    """Collects image expressions for identities; `others` are the retained people used as wrong pictures."""

    def __init__(self, others: Sequence[Identity]) -> None:
        self.others = others
        self.digests: list[str] = []
        self._images: list[Image.Image] = []
        self._index: dict[str, int] = {}
        self._known: dict[tuple[str, str], int] = {}  # one picture serves every question on a person

    def photo(self, data: bytes) -> int:
        """Index of a picture given as bytes."""
        return self._add(decode(data))

    def of(self, identity: Identity, expression: str) -> int | None:
        """Index of the picture an expression gives for an identity; None for "none"."""
        if expression == "none":
            return None
        if (identity.id, expression) not in self._known:
            self._known[identity.id, expression] = self._add(self._made(identity, expression))
        return self._known[identity.id, expression]

    def _made(self, identity: Identity, expression: str) -> Image.Image:
        source, *changes = [part.strip() for part in expression.split("|")]
        image = self._source(identity, source)
        for change in changes:
            image = apply(image, change)
        return image

    def _source(self, identity: Identity, source: str) -> Image.Image:
        kind, _, which = source.partition(":")
        if kind == "photo":
            return decode(identity.photos[int(which)])
        if kind == "other":
            others = [o for o in self.others if o.id != identity.id]
            place = xxhash.xxh3_64_intdigest(identity.id.encode()) % len(others)
            return decode(others[place].photos[int(which)])
        if kind == "plain":
            return plain(which, decode(identity.photos[0]).size)
        raise KeyError(f"image source {source!r}")

    def _add(self, image: Image.Image) -> int:
        digest = xxhash.xxh3_128_hexdigest(f"{image.size}".encode() + image.tobytes())
        if digest not in self._index:
            self._index[digest] = len(self._images)
            self._images.append(image)
            self.digests.append(digest)
        return self._index[digest]

    def pixels(self, processor: Any) -> Tensor | None:
        """All pictures preprocessed, (N, C, H, W), in order of their indices."""
        return pixel_values(processor, self._images) if self._images else None
