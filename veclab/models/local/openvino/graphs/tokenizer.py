"""The tokenizer of a model as transformers loads it, from its files alone.

transformers takes little of a `tokenizer.json` as it is: classes of its own rebuild it, with
settings from `tokenizer_config.json`. Nearly always both say the same. Where they do not, the
settings are followed, or the model is one that is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.models.local.folder import ModelFolder
from veclab.models.local.modules import read_json
from veclab.models.local.openvino.graphs.unknown import NotKnown
from veclab.models.local.tokenizer import open_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Classes that split words as BERT does, with what they take where nothing is said.
_WORD_PIECES = {"Bert", "DistilBert", "MPNet", "bert", "distilbert", "mpnet"}
_AS_BERT = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
_SPECIAL = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")


def read_tokenizer(folder: ModelFolder) -> Tokenizer:
    """Read the tokenizer; it neither cuts nor pads.

    Raises:
        NotKnown: it is in no tokenizer.json, or transformers would make another of it.
        ModelUnavailable: the file is damaged.
    """
    settings = read_json(folder.transformer / "tokenizer_config.json")
    _agree(folder.transformer, settings)
    opened = open_tokenizer(folder)
    if opened is None:
        raise NotKnown("it has no tokenizer.json")
    tokenizer = opened.tokenizer
    _lower_as_told(tokenizer, folder.transformer, settings)
    _add_special(tokenizer, folder.transformer, settings)
    _check_ends(tokenizer, settings)
    if any(tokenizer.encode("a").type_ids):
        raise NotKnown("its tokenizer gives a single text token types other than 0")
    return tokenizer


def _agree(transformer: Path, settings: Mapping[str, Any]) -> None:
    """Refuse settings that a tokenizer.json would have to follow and does not."""
    if settings.get("split_special_tokens"):
        raise NotKnown("its tokenizer splits special tokens")
    said = settings.get("add_prefix_space")
    before = read_json(transformer / "tokenizer.json").get("pre_tokenizer")
    kept = _prefix_spaces(before)
    if said is not None and kept and kept != {bool(said)}:
        raise NotKnown(f"its tokenizer is told add_prefix_space={said} and does otherwise")


def _prefix_spaces(part: Any) -> set[bool]:
    """Return whether the steps of a pre-tokenizer put a space in front of a text."""
    if not isinstance(part, Mapping):
        return set()
    if part.get("type") == "ByteLevel":
        return {bool(part.get("add_prefix_space"))}
    if part.get("type") == "Metaspace":
        scheme = part.get("prepend_scheme")
        return {bool(part.get("add_prefix_space", True)) if scheme is None else scheme != "never"}
    return {space for inner in part.get("pretokenizers") or () for space in _prefix_spaces(inner)}


def _lower_as_told(tokenizer: Tokenizer, transformer: Path, settings: Mapping[str, Any]) -> None:
    """Make a BERT normalizer do what the settings say."""
    from tokenizers import normalizers

    name = str(settings.get("tokenizer_class") or "").removesuffix("Fast").removesuffix("Tokenizer")
    kind = read_json(transformer / "config.json").get("model_type")
    said = {key: settings[key] for key in _AS_BERT if key in settings}
    if (name or kind) in _WORD_PIECES:
        said = _AS_BERT | said
    normalizer = tokenizer.normalizer
    if isinstance(normalizer, normalizers.BertNormalizer):
        normalizer.lowercase = bool(said.get("do_lower_case", normalizer.lowercase))
        if "strip_accents" in said:
            normalizer.strip_accents = said["strip_accents"]
        if said.get("tokenize_chinese_chars") is not None:
            normalizer.handle_chinese_chars = bool(said["tokenize_chinese_chars"])
        tokenizer.normalizer = normalizer
    elif name == "Albert":
        lower = "Lowercase" in json.dumps(read_json(transformer / "tokenizer.json")["normalizer"])
        if lower != bool(settings.get("do_lower_case", True)) or settings.get("keep_accents"):
            raise NotKnown("its tokenizer is told otherwise than its tokenizer.json says")


def _add_special(tokenizer: Tokenizer, transformer: Path, settings: Mapping[str, Any]) -> None:
    """Find special tokens in a text that only the settings call special."""
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    for kind in _SPECIAL:
        token = _special_token(kind, transformer, settings)
        if token is not None and token not in known:
            tokenizer.add_special_tokens([token])


def _special_token(kind: str, transformer: Path, settings: Mapping[str, Any]) -> str | None:
    """Return a special token by its kind (`pad`, ...); None where there is none."""
    known = read_json(transformer / "special_tokens_map.json") | dict(settings)
    said = known.get(f"{kind}_token")
    said = said.get("content") if isinstance(said, Mapping) else said
    return said if isinstance(said, str) else None


def _check_ends(tokenizer: Tokenizer, settings: Mapping[str, Any]) -> None:
    """Refuse a tokenizer that does not open and close a text as its settings say."""
    said = [settings.get(f"add_{kind}_token") for kind in ("bos", "eos")]
    if said == [None, None]:
        return
    bare = tokenizer.encode("a", add_special_tokens=False).tokens
    whole = tokenizer.encode("a").tokens
    if len(whole) != len(bare) + sum(map(bool, said)) or (said[0] and whole[1:2] != bare[:1]):
        raise NotKnown("its tokenizer is told otherwise how a text begins and ends")
