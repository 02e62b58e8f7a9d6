"""The verified results as a tree of names: rows, routes, seeds and claims stand under their own names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlmunl.metrics.claims_state import difference

Path = tuple[str, ...]

_NAMED_BY = {"rows": "name", "routes": "id", "seeds": "seed", "claims": "name"}
_NOTHING: dict[str, Any] = {}


@dataclass(frozen=True)
class Document:
    """Verified results whose lists have become tables: `tree["rows"]["npo"]`, `tree["seeds"]["0"]`."""

    tree: Mapping[str, Any]

    @classmethod
    def of(cls, results: Mapping[str, Any]) -> Document:
        """From the JSON document, which the reader of the tables has accepted."""
        tree = dict(results)
        for section, name in _NAMED_BY.items():
            tree[section] = {str(entry[name]): entry for entry in results.get(section) or ()}
        return cls(tree)

    @property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """The rows by name."""
        rows: Mapping[str, Mapping[str, Any]] = self.tree["rows"]
        return rows

    @property
    def counted(self) -> tuple[int, ...]:
        """The seeds that feed numbers."""
        return tuple(int(name) for name, seed in self.tree["seeds"].items() if seed.get("status") == "verified")

    def node(self, path: Path) -> Any:
        """What stands at a path; None below a figure without evidence.

        Raises:
            KeyError: there is nothing of that name.
        """
        node: Any = self.tree
        if path[:1] == ("rows",) and path[2:3] == ("versus",) and (pair := self._pair(path)) is not None:
            node, path = pair, path[4:]
        for key in path:
            if node is None or (node == {} and node is not self.tree):
                return None
            if not isinstance(node, Mapping) or key not in node:
                raise KeyError(".".join(path))
            node = node[key]
        return node

    def _pair(self, path: Path) -> Mapping[str, Any] | None:
        """The difference of a row from another one that stands only among all pairs."""
        row, other = path[1], "".join(path[3:4])
        if other in (self.rows.get(row, {}).get("versus") or {}):
            return None
        return difference(self.tree.get("comparisons") or {}, row, other)

    def below(self, path: Path = ()) -> Iterator[tuple[Path, Any]]:
        """The node at a path and all below it, lists counting as one value."""
        yield from _below(path, self.node(path))

    def leaves(self, path: Path = ()) -> Iterator[tuple[Path, Any]]:
        """Every figure at or below a path."""
        yield from ((where, value) for where, value in self.below(path) if not isinstance(value, Mapping) or not value)


def _below(path: Path, node: Any) -> Iterator[tuple[Path, Any]]:
    yield path, node
    if isinstance(node, Mapping):
        for name, part in node.items():
            yield from _below((*path, str(name)), part)
