"""The catalogue of recovery routes: all that are declared here or by a plug-in, and the smaller core set.

A plug-in (entry point `vlmunl.routes`) gives a `Route`, or a list of them or a function that makes one. Plug-ins are
looked for only when a name is not a built-in one or all routes are listed.
"""

from __future__ import annotations

from vlmunl.methods.registry import Registry
from vlmunl.routes.declared import attacks, compositions, decoding, multimodal, prompting, textual, visual
from vlmunl.routes.route import Route, catalogue_hash

__all__ = ["CATALOGUE", "CORE", "Route", "catalogue_hash"]

CANONICAL = Route(
    id="canonical",
    family="canonical",
    modality="canonical",
    description="the training question with the training photo",
    source="the usual forget-quality test",
)

_ROOMS = (visual, textual, prompting, multimodal, compositions, decoding, attacks)


class Catalogue(Registry[Route]):
    """Id -> route. Going through all of it looks for plug-ins; `own` does not."""

    @property
    def own(self) -> dict[str, Route]:
        """The built-in routes, in order."""
        return {name: route for name, route in self._parts.items() if name in self.builtin}


CATALOGUE = Catalogue(Route, "vlmunl.routes", (CANONICAL, *(route for room in _ROOMS for route in room.ROUTES)))
"""The canonical route first, then room by room, then those of plug-ins."""

CORE: frozenset[str] = frozenset(
    {
        *("canonical", "flip", "crop", "pad", "rotate", "blur", "noise", "jpeg", "lowres", "grey", "dark", "bright"),
        *("invert", "occlude_top", "occlude_mouth", "new_photo", "para_4", "para_5", "para_6", "para_7", "subject"),
        *("cloze", "choice", "verify", "typo", "shout", "text_only", "text_para", "text_cloze", "text_choice"),
        *("text_verify", "description", "image_name", "name_given", "null_image", "wrong_image", "name_first"),
        *("fact_first", "few_shot", "few_shot_image"),
        *("sample", "beam", "rank", "probability", "loss", "zlib", "min_k", "min_k_pp", "prefill"),
        *attacks.CORE,
    }
)
"""The routes of `set = "core"`: one or a few of every kind, for studies that should be quick. `full` are all built-in
ones; a plug-in's routes are asked where a study includes them, so that installing a package changes no study."""
