"""A transformer's `config.json`, read so that no fact of it goes unnoticed.

A builder asks for what it knows. A fact that decides the vectors and that no one asked for makes
the model one that is not known: better no graph than one that leaves something out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veclab.models.local.configuration import rope_facts, transformer_facts
from veclab.models.local.openvino.graphs.unknown import NotKnown

# Read by tokenizers, by heads that are not part of the model, or seen from the weights.
_UNREAD = {
    "model_type", "vocab_size", "type_vocab_size", "tie_word_embeddings",
    "bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id",
    "mask_token_id", "decoder_start_token_id",
    "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
    "pooler_size_per_head", "pooler_type", "output_past", "use_pooler", "tokenizer_class",
}  # fmt: skip
_FULL = "full_attention"


class Configuration:
    """A `config.json` and the names that were read of it."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = said
        self._facts = transformer_facts(said)
        if not any(rope_facts(said).values()):
            del self._facts["rope"]
        self._read: set[str] = set()

    def get(self, name: str, usual: Any = None) -> Any:
        """Return a setting, or what transformers takes where it is not said."""
        self._read.add(name)
        value = self._said.get(name)
        return usual if value is None else value

    def need(self, name: str) -> Any:
        """Return a setting without which there is no model.

        Raises:
            NotKnown: it is not said.
        """
        value = self.get(name)
        if value is None:
            raise NotKnown(f"its config.json does not say {name}")
        return value

    def theta(self, usual: float, kind: str = _FULL) -> float:
        """Return the base of rotary positions, of a kind of attention.

        Raises:
            NotKnown: the positions are stretched in some way.
        """
        self._read.add("rope")
        known = rope_facts(self._said)
        facts = dict(known.get(kind) or {})
        theta = facts.pop("rope_theta", usual)
        if facts:
            raise NotKnown(f"its rotary positions are not plain ({facts})")
        return float(theta)

    def finish(self) -> None:
        """End the reading.

        Raises:
            NotKnown: a fact was left unread.
        """
        left = sorted(set(self._facts) - self._read - _UNREAD)
        if left:
            facts = ", ".join(f"{name}={self._facts[name]!r}" for name in left)
            raise NotKnown(f"its config.json says {facts}")
