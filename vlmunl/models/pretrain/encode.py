"""Conversations as token batches, and the loss on their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as nnf

from vlmunl.benchmarks.corpus import Conversation, Turn

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

IMAGE_TOKENS = 16
MAX_LENGTH = 96


class Encoder:
    """Turns conversations into padded token batches; every string is tokenised once."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.cache: dict[Turn, tuple[list[int], list[int]]] = {}
        self.bos, self.eos, self.pad, self.image, self.user, self.assistant = tokenizer.convert_tokens_to_ids(
            ["<s>", "</s>", "<pad>", "<image>", "<user>", "<assistant>"]
        )

    def _turn(self, turn: Turn) -> tuple[list[int], list[int]]:
        if turn not in self.cache:
            ask, reply = (self.tokenizer.encode(f" {t}", add_special_tokens=False) for t in turn)
            self.cache[turn] = (ask, reply)
        return self.cache[turn]

    def sample(self, turns: Sequence[Turn], *, image: bool) -> tuple[list[int], list[bool]]:
        """Token ids and which of them are answers (with their end mark), cut at whole turns."""
        ids, answers = [self.bos], [False]
        for k, turn in enumerate(turns):
            ask, reply = self._turn(turn)
            head = [self.user] + ([self.image] * IMAGE_TOKENS if image and k == 0 else []) + ask + [self.assistant]
            if len(ids) + len(head) + len(reply) + 1 > MAX_LENGTH:
                break
            ids += [*head, *reply, self.eos]
            answers += [False] * len(head) + [True] * (len(reply) + 1)
        return ids, answers

    def batch(self, samples: Sequence[tuple[Conversation, int | None]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Right-padded ids (B, T) and answer mask (B, T)."""
        return self.padded([self.sample(c.turns, image=index is not None) for c, index in samples])

    def padded(self, encoded: Sequence[tuple[list[int], list[bool]]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Samples of different lengths as one batch, padded on the right."""
        width = max(len(ids) for ids, _ in encoded)
        ids = torch.full((len(encoded), width), self.pad)
        mask = torch.zeros(len(encoded), width, dtype=torch.bool)
        for row, (tokens, answers) in enumerate(encoded):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(answers)] = torch.tensor(answers)
        return ids, mask


def answer_loss(
    model: LlavaForConditionalGeneration, ids: torch.Tensor, answers: torch.Tensor, images: torch.Tensor | None
) -> torch.Tensor:
    """Mean cross-entropy over answer tokens; `images` (N, 3, H, W) belong to the rows with placeholders, in order."""
    core = model.model
    embeds = core.get_input_embeddings()(ids)
    if images is not None:
        features = torch.cat(core.get_image_features(images).pooler_output)
        where = (ids == model.config.image_token_id).unsqueeze(-1).expand_as(embeds)
        embeds = embeds.masked_scatter(where, features.to(embeds.dtype))
    hidden = core.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    predicts = answers[:, 1:]
    logits = model.lm_head(hidden[:, :-1][predicts])
    return nnf.cross_entropy(logits.float(), ids[:, 1:][predicts])
