"""Compositions: an image route and a text route at once. A chosen dozen; `compose` makes any other."""

from __future__ import annotations

from vlmunl.routes.compose import compose
from vlmunl.routes.declared import multimodal, prompting, textual, visual
from vlmunl.routes.route import Route

_BY_ID = {route.id: route for room in (visual, textual, prompting, multimodal) for route in room.ROUTES}

_PAIRS = (
    ("crop", "typo"),
    ("flip", "para_5"),
    ("grey", "cloze"),
    ("new_photo", "para_4"),
    ("new_photo", "image_name"),
    ("new_photo", "choice"),
    ("occlude_eyes", "name_given"),
    ("rotate_15", "role_play"),
    ("zoom", "name_first"),
    ("background_replaced", "chained_own"),
    ("collage_top_left", "anti_refusal"),
    ("jpeg", "few_shot_image"),
    ("posterise", "completion"),
)

ROUTES: tuple[Route, ...] = tuple(compose(_BY_ID[picture], _BY_ID[words]) for picture, words in _PAIRS)
