"""A JSON object whose values are read one by one, each checked for its type."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from vlmunl.errors import VlmunlError
from vlmunl.latex.results import Interval

HINT = "write the file anew: vlmunl aggregate STUDY --force"


@dataclass(frozen=True)
class Node:
    """A JSON object and the dotted path to it, so that every error can name the place."""

    fields: Mapping[str, object]
    path: str

    def _fail(self, key: str, wanted: str, found: object) -> VlmunlError:
        where = ascii(f"{self.path}.{key}".lstrip("."))[1:-1][:200]
        return VlmunlError(f"verified results: {where} must be {wanted}, found {type(found).__name__}", HINT)

    def number(self, key: str) -> float | None:
        value = self.fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > sys.float_info.max:
            raise self._fail(key, "a number or null", value)
        return float(value)

    def count(self, key: str) -> int | None:
        value = self.fields.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._fail(key, "a whole number or null", value)
        return value

    def text(self, key: str) -> str:
        value = self.fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._fail(key, "a string or null", value)
        return value

    def flag(self, key: str) -> bool | None:
        value = self.fields.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._fail(key, "true, false or null", value)
        return value

    def node(self, key: str) -> Node:
        """The object at `key`; an empty one if it is missing or null."""
        value = self.fields.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._fail(key, "an object or null", value)
        return Node(value, f"{self.path}.{key}")

    def nodes(self, key: str) -> tuple[Node, ...]:
        return tuple(node_of(item, f"{self.path}.{key}[{i}]") for i, item in enumerate(self.items(key)))

    def items(self, key: str) -> list[object]:
        value = self.fields.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._fail(key, "a list or null", value)
        return value

    def counts(self, key: str) -> tuple[int, ...]:
        """The whole numbers of a list."""
        listed = Node({str(i): item for i, item in enumerate(self.items(key))}, f"{self.path}.{key}")
        return tuple(number for i in listed.fields if (number := listed.count(i)) is not None)

    def interval(self, key: str) -> Interval | None:
        node = self.node(key)
        estimate = node.number("estimate")
        if estimate is None:
            return None
        return Interval(estimate=estimate, low=node.number("low"), high=node.number("high"))


def node_of(value: object, path: str) -> Node:
    if not isinstance(value, dict):
        raise VlmunlError(f"verified results: {ascii(path)[1:-1][:200] or 'the document'} must be an object", HINT)
    return Node(value, path)
