"""Turns to tokens by a model's own chat template, with the answers marked by construction.

The template is rendered once with sentinels and taken apart into the texts around a first question, a later
question and a reply. Prompts are then concatenations, each piece tokenised once. That is only right for
templates that add turns one after the other; others are refused when they are met, not mis-rendered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vlmunl.errors import MissingInput

_Q, _A, _Q2 = "first question?", "Some answer", "second question?"


OWN = "\x00own"
"""As the answer of an earlier turn: what the asked model itself replies there, greedily."""


class Turn(NamedTuple):
    """A question and its answer; the last turn of a prompt has none. `OWN` stands for the model's own reply."""

    question: str
    answer: str | None


class Around(NamedTuple):
    """The text before and after a piece of content."""

    before: str
    after: str

    def wrap(self, content: str) -> str:
        """The content with what surrounds it."""
        return f"{self.before}{content}{self.after}"


class Encoded(NamedTuple):
    """Token ids of a conversation, and for each whether it belongs to an answer (its end mark included)."""

    ids: list[int]
    answers: list[bool]


@dataclass(frozen=True)
class ChatFormat:
    """One model's way to write conversations. `tokens_per_image` placeholders stand for one picture."""

    tokenizer: Any
    image_token: int
    tokens_per_image: int
    first: Around
    first_image: Around
    later: Around
    later_image: Around
    reply: Around
    _pieces: dict[str, list[int]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, processor: Any, image_token: int) -> ChatFormat:
        """Take the processor's template apart.

        Raises:
            MissingInput: there is no template, or it does not simply add turns.
        """
        first, first_image = (_split(_render(processor, [_user(_Q, image=i)]), _Q) for i in (False, True))
        later: list[Around] = []
        for image in (False, True):
            opening = [_user(_Q, image=not image), _assistant(_A)]
            whole = _render(processor, [*opening, _user(_Q2, image=image)])
            closed = _render(processor, opening, prompt=False)
            later.append(_split(_rest(whole, closed), _Q2))
        open_ = _render(processor, [_user(_Q, image=True)])
        reply = _split(_rest(_render(processor, [_user(_Q, image=True), _assistant(_A)], prompt=False), open_), _A)
        return cls(
            tokenizer=processor.tokenizer,
            image_token=image_token,
            tokens_per_image=_count(processor, image_token),
            first=first,
            first_image=first_image,
            later=later[0],
            later_image=later[1],
            reply=reply,
        )

    def tokens(self, text: str) -> list[int]:
        """Token ids of one piece of text, each placeholder repeated for all of its picture's features."""
        if text not in self._pieces:
            ids = self.tokenizer.encode(text, add_special_tokens=False)
            expanded: list[int] = []
            for token in ids:
                expanded += [token] * (self.tokens_per_image if token == self.image_token else 1)
            self._pieces[text] = expanded
        return self._pieces[text]

    def reply_tokens(self, start: str) -> list[int]:
        """Token ids of what a reply is made to begin with; none if that is nothing."""
        return self.tokens(f"{self.reply.before}{start}") if start else []

    def answer_tokens(self, answer: str, *, end: bool = False, after: str = "") -> list[int]:
        """Token ids of a reply as the model would write it, with or without its end mark; `after`: its beginning.

        A beginning is not among them. Where the tokenizer would join it with the answer, the answer is spelt apart.
        """
        if after:
            start = self.reply_tokens(after)
            whole = self.tokens(f"{self.reply.before}{after} {answer}")
            return whole[len(start) :] if whole[: len(start)] == start else self.tokens(f" {answer}")
        return self.tokens(self.reply.wrap(answer) if end else f"{self.reply.before}{answer}")

    def encode(self, turns: Sequence[Turn], *, image_at: int | None = None, limit: int | None = None) -> Encoded:
        """A conversation with its picture in turn `image_at`; cut before the first turn that passes `limit` tokens.

        A last turn without an answer ends with the template's prompt for one.
        """
        ids: list[int] = []
        answers: list[bool] = []
        for k, turn in enumerate(turns):
            around = self._question(first=k == 0, image=k == image_at)
            asked = self.tokens(around.wrap(turn.question))
            told = self.tokens(self.reply.wrap(turn.answer)) if turn.answer is not None else []
            if limit is not None and k > 0 and len(ids) + len(asked) + len(told) > limit:
                break
            ids += asked + told
            answers += [False] * len(asked) + [True] * len(told)
        return Encoded(ids, answers)

    def _question(self, *, first: bool, image: bool) -> Around:
        if first:
            return self.first_image if image else self.first
        return self.later_image if image else self.later


def _user(text: str, *, image: bool) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image"}] * image + [{"type": "text", "text": text}]}


def _assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _render(processor: Any, messages: list[dict[str, Any]], *, prompt: bool = True) -> str:
    try:
        return str(processor.apply_chat_template(messages, add_generation_prompt=prompt, tokenize=False))
    except (ValueError, TypeError) as error:
        raise MissingInput(f"the model's chat template cannot be used: {error}") from error


def _split(text: str, content: str) -> Around:
    before, found, after = text.partition(content)
    if not found or content in after:
        raise MissingInput("the model's chat template changes or repeats a turn's text; it cannot be used here")
    return Around(before, after)


def _rest(whole: str, start: str) -> str:
    if not whole.startswith(start):
        raise MissingInput("the model's chat template rewrites earlier turns when one is added; it cannot be used here")
    return whole[len(start) :]


def _count(processor: Any, image_token: int) -> int:
    """How many placeholders the processor writes for one picture."""
    from PIL import Image

    text = _render(processor, [_user(_Q, image=True)])
    size = getattr(processor.image_processor, "crop_size", None) or {"height": 64, "width": 64}
    picture = Image.new("RGB", (size["width"], size["height"]))
    ids = processor(images=picture, text=text, return_tensors="np")["input_ids"]
    return int((ids == image_token).sum())
