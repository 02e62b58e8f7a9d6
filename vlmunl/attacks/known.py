"""What each attack needs, read without torch. An attack is written `name:argument:argument`."""

from __future__ import annotations

from typing import Literal

Need = Literal["imprint", "people"]
"""`imprint`: the model before unlearning. `people`: people to forget who are set aside, to learn from."""

NEEDS: dict[str, frozenset[Need]] = {}


def needs_of(attack: str) -> frozenset[Need]:
    """What an attack needs beside the model itself."""
    return NEEDS.get(attack.partition(":")[0], frozenset())
