"""What decides which tokens a text becomes, in a form that leaves out what does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from veclab.errors import ModelUnavailable
from veclab.jsontext import parse_json
from veclab.models.local.digests import file_digest, remembered
from veclab.models.local.modules import read_json

# Files of a tokenizer that has no tokenizer.json.
_SLOW_FILES = ("vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "added_tokens.json")
# Tokenizers of bytes or characters, which need no vocabulary.
_BYTES = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
# Settings by which transformers changes what tokenizer.json says.
_OVERRIDES = (
    "do_lower_case", "strip_accents", "tokenize_chinese_chars", "add_prefix_space", "keep_accents",
    "add_bos_token", "add_eos_token", "split_special_tokens", "legacy", "remove_space",
)  # fmt: skip
# Where a BertNormalizer says the same thing.
_NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
_SPECIAL = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
# Classes that take tokenizer.json as it is.
_PLAIN_CLASSES = ("PreTrainedTokenizer", "TokenizersBackend")
# Cutting and padding are veclab's own, decoding is not done.
_UNREAD = ("version", "truncation", "padding", "decoder")
# What the tokenizers library takes where nothing is said.
_USUAL = {
    "byte_fallback": False,
    "ignore_merges": False,
    "fuse_unk": False,
    "continuing_subword_prefix": "",
    "end_of_word_suffix": "",
    "use_regex": True,
}
_ALWAYS_UNREAD = ("str_rep", "trim_offsets")  # offsets are not used


def tokenizer_facts(folder: Path) -> dict[str, Any]:
    """Collect a tokenizer's facts: digests of its files, and settings that change them."""
    settings = read_json(folder / "tokenizer_config.json")
    name = str(settings.get("tokenizer_class") or "").removesuffix("Fast")
    facts: dict[str, Any] = {} if name in ("", *_PLAIN_CLASSES) else {"class": name}
    specials = read_json(folder / "special_tokens_map.json") | settings
    for kind in _SPECIAL:
        token = specials.get(f"{kind}_token")
        token = token.get("content") if isinstance(token, Mapping) else token
        if isinstance(token, str):
            facts[f"{kind}_token"] = token
    if settings.get("truncation_side") == "left":
        facts["truncation_side"] = "left"
    file = folder / "tokenizer.json"
    if file.exists():
        facts["json"] = tokenizer_digest(file)
        facts |= overrides(file, settings)
        return facts
    names = [*_SLOW_FILES, *sorted(path.name for path in folder.glob("*.model"))]
    there = [slow for slow in names if (folder / slow).exists()]
    if not there and name not in _BYTES:
        # transformers would make an empty vocabulary, to which all words are unknown and alike.
        raise ModelUnavailable(
            f"{folder} holds no tokenizer (tokenizer.json, vocab.txt, *.model): its download may "
            "have been interrupted; get the whole folder again"
        )
    for slow in there:
        facts[slow] = file_digest(folder / slow)[:16]
    return facts | {name: settings[name] for name in _OVERRIDES if settings.get(name) is not None}


def overrides(file: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from what a tokenizer.json says."""
    said = {name: settings[name] for name in _OVERRIDES if settings.get(name) is not None}
    if not said:
        return {}
    normalizer = parse_json(remembered(file, "normalizer1", lambda: _normalizer(file)))
    if normalizer is None:
        return said
    return {
        name: value
        for name, value in said.items()
        if name not in _NORMALIZER or normalizer.get(_NORMALIZER[name]) != value
    }


def tokenizer_digest(file: Path) -> str:
    """Return 16 hex digits over all of a tokenizer.json that decides a text's tokens."""

    def compute() -> str:
        whole = {name: part for name, part in _read(file).items() if name not in _UNREAD}
        tokens = whole.get("added_tokens") or []
        whole["added_tokens"] = sorted(tokens, key=lambda token: int(token["id"]))
        text = json.dumps(_canonical(whole), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    return remembered(file, "tokenizer1", compute)


def _normalizer(file: Path) -> str:
    """Return JSON of the BertNormalizer in a tokenizer.json, `null` where there is none."""
    said = _read(file).get("normalizer")
    return json.dumps(said if said and said.get("type") == "BertNormalizer" else None)


def _read(file: Path) -> dict[str, Any]:
    try:
        value = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"the tokenizer {file} cannot be read: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("model"), dict):
        raise ModelUnavailable(f"the tokenizer {file} cannot be read: it holds no model")
    return value


def _canonical(value: Any) -> Any:
    """Return one form for what versions of the tokenizers library write in several."""
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("vocab"), (dict, list)):  # a model: its vocabulary is data
        data = {"vocab": value["vocab"]}
        if isinstance(value.get("merges"), list):
            merges = value["merges"]
            data["merges"] = [m.split(" ") if isinstance(m, str) else m for m in merges]
        return _canonical({k: v for k, v in value.items() if k not in data}) | data
    if value.get("type") == "Metaspace":
        scheme = "always" if value.get("add_prefix_space", True) else "never"
        value = {"prepend_scheme": scheme, "split": True} | value
        value.pop("add_prefix_space", None)
    return {
        name: _canonical(item)
        for name, item in value.items()
        if item is not None
        and name not in _ALWAYS_UNREAD
        and not (name in _USUAL and item == _USUAL[name])
    }
