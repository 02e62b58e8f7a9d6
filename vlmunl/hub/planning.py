"""What a repository should hold once a study is published there, and how far it is from that."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from vlmunl.errors import Refused
from vlmunl.hub import card_front
from vlmunl.hub.client import Hub
from vlmunl.hub.compare import Changes, Listing, compare
from vlmunl.hub.inventory import FILE as INVENTORY
from vlmunl.hub.inventory import folder
from vlmunl.hub.published import Publication, PublishedFile
from vlmunl.keys import digest_bytes


@dataclass(kw_only=True)
class Planning:
    """Plans one publication against one state of the repository after another; the cards of others are read once."""

    publication: Publication
    hub: Hub
    prune: bool
    _cards: dict[str, bytes] = field(default_factory=dict)

    def changes(self, head: str | None) -> Changes:
        """From a commit (none: an empty repository) to what is wanted."""
        tree: Listing = self.hub.tree(head) if head else {}
        prune = self.publication.study if self.prune else ""
        return compare(self.wanted(tree, head), tree, head or "", prune=prune)

    def wanted(self, tree: Listing, head: str | None) -> dict[str, PublishedFile]:
        """The publication, and the repository's own card, which speaks of all studies that lie there."""
        cards = {self.publication.study: self.card}
        for path in sorted(tree):
            study, _, name = path.partition("/")
            readme = tree.get(f"{study}/{card_front.FILE}")
            if name == INVENTORY and study != self.publication.study and readme is not None and head:
                cards[study] = self._other_card(readme.blob, study, head, tree)
        wanted = dict(self.publication.by_path)
        data = card_front.root_card(cards)
        digest = digest_bytes(data)
        wanted[card_front.FILE] = PublishedFile(
            path=card_front.FILE, kind="card", xxh3=digest.xxh3, sha256=digest.sha256, size=digest.size, source=data
        )
        return wanted

    @cached_property
    def card(self) -> bytes:
        source = self.publication.by_path[f"{folder(self.publication.study)}/{card_front.FILE}"].source
        assert isinstance(source, bytes), "the card is made in memory"
        if reason := card_front.problem(source):
            raise Refused(f"the model card is not valid: {reason}", "report this: vlmunl writes the card")
        return source

    def _other_card(self, blob: str, study: str, head: str, tree: Listing) -> bytes:
        if blob not in self._cards:
            self._cards[blob] = self.hub.read(tree[f"{study}/{card_front.FILE}"], head)
        return self._cards[blob]

    def ours(self, tree: Listing) -> tuple[str, ...]:
        """The repository's card counts as ours if a study lies there whose card it was made of."""
        studies = any(path.count("/") == 1 and path.endswith(f"/{INVENTORY}") for path in tree)
        return (card_front.FILE,) if studies else ()
