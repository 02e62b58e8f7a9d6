"""Two routes at once: the picture of one and the question of the other. No torch."""

from __future__ import annotations

from dataclasses import replace

from vlmunl.errors import StudyError
from vlmunl.routes.route import Route

PHOTO = ("photo:0",)
PLAIN = Route(id="", family="", modality="canonical", description="", source="")


def compose(visual: Route, textual: Route) -> Route:
    """The route `visual+textual`: the question of `textual`, its photo changed as `visual` changes it.

    Its variants are all pairs of theirs, so its budget is the product of their budgets.

    Raises:
        StudyError: `visual` is not the training question with another picture, or `textual` does not show the
            training photo as it is, or both say where the person is, or one is no black-box route with greedy replies.
    """
    for route in (visual, textual):
        if route.tier != "T0" or route.decoding != "greedy" or route.attack:
            raise _no(visual, textual, f"{route.id} is not a question to the model as it is (T0, greedy)")
        if route.mixes:
            raise _no(visual, textual, f"{route.id} is a composition already")
    if visual.image == PHOTO or _question(visual) != _question(PLAIN):
        raise _no(visual, textual, f"{visual.id} is not the training question with another picture")
    if not all(picture.startswith("photo:") for picture in visual.image):
        raise _no(visual, textual, f"{visual.id} does not show the person")
    if textual.image != PHOTO:
        raise _no(visual, textual, f"{textual.id} does not show the training photo as it is")
    if _question(textual) == _question(PLAIN):
        raise _no(visual, textual, f"{textual.id} asks the training question")
    if visual.subject != "shown" and textual.subject != "shown":
        raise _no(visual, textual, f"both say otherwise whom they ask about: {visual.subject}, {textual.subject}")
    return replace(
        textual,
        id=f"{visual.id}+{textual.id}",
        family="composition",
        modality="multimodal",
        description=f"{visual.description}; {textual.description}",
        source=f"composition of {visual.id} and {textual.id}",
        image=visual.image,
        subject=visual.subject if textual.subject == "shown" else textual.subject,
        mixes=(visual.family, textual.family),
        version=max(visual.version, textual.version),
    )


def _question(route: Route) -> tuple[object, ...]:
    """All that a route says, its subject apart where the picture needs it."""
    subject = "shown" if route.subject.startswith("placed:") else route.subject
    return (
        *(route.format, route.wording or route.format, route.ask),
        *(subject, route.context, route.rewrite, route.reply),
    )


def _no(visual: Route, textual: Route, why: str) -> StudyError:
    hint = "compose(VISUAL, TEXTUAL) takes a route that only changes the photo and one that only changes the question"
    return StudyError(f"{visual.id!r} and {textual.id!r} cannot be composed: {why}", hint)
