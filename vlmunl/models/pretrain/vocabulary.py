"""The embedded model's own tokenizer: a byte-level BPE trained on the built-in wording and names.

Every attribute value, visual word and truth value is one token with its leading space, so that the expected
answer to a built-in question is one token; the build refuses a vocabulary in which one is not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlmunl.benchmarks import wording
from vlmunl.benchmarks.corpus import VISUAL, VISUAL_QUESTIONS, VISUAL_STATEMENTS
from vlmunl.benchmarks.people import FIRST_NAMES, LAST_NAMES
from vlmunl.rng import Streams

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<s>", "</s>", "<image>", "<user>", "<assistant>")
VOCABULARY = 1280

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for m in messages %}"
    "{{ '<user>' if m['role'] == 'user' else '<assistant>' }}"
    "{% if m['content'] is string %}{{ ' ' + m['content'] }}"
    "{% else %}{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ ' ' + part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def single_tokens() -> tuple[str, ...]:
    """The words that must be one token each when preceded by a space."""
    values = [v for a in wording.ATTRIBUTES for v in a.values]
    visual = [v for choices in VISUAL.values() for v in choices]
    return tuple(dict.fromkeys([*values, *visual, wording.TRUE, wording.FALSE]))


def _sentences(rng: random.Random) -> Iterator[str]:
    names = [f"{f} {rng.choice(LAST_NAMES)}" for f in FIRST_NAMES]
    last = [f"{rng.choice(FIRST_NAMES)} {n}" for n in LAST_NAMES]
    for name in names * 6 + last * 6:
        yield f" {name}"
    for a in wording.ATTRIBUTES:
        for i in range(wording.FRAMES):
            for subject in (*wording.IMAGE_SUBJECTS, *rng.sample(names, 6)):
                values = tuple(rng.sample(a.values, 4))
                yield " " + wording.question(a, i, subject)
                yield " " + wording.cloze(a, i, subject)
                yield " " + wording.mcq(a, i, subject, values)
                yield " " + wording.truefalse(a, i, subject, values[0])
    for text in (*VISUAL_QUESTIONS.values(), *VISUAL_STATEMENTS.values(), *wording.NAME_QUESTIONS):
        yield from [" " + text] * 8
    yield " Fact: The person in the picture is called a. Picture of someone with hair, skin, eyes and a beard."
    for word in single_tokens():
        yield from [f" {word}", f" {word}, {word} or {word}."] * 60


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Train the vocabulary and wrap it for transformers.

    Raises:
        ValueError: if a word that must be a single token is not.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(_sentences(Streams(7).child("vocabulary").python()), trainer)
    split = [w for w in single_tokens() if len(core.encode(f" {w}").ids) != 1]
    if split:
        msg = f"not one token: {', '.join(split)}"
        raise ValueError(msg)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
        additional_special_tokens=["<image>", "<user>", "<assistant>"],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
