"""What a Sentence Transformers folder may hold; everything else is refused, with the part named.

A folder gives the vectors that sentence-transformers gives, or none. The parts and settings that
can be saved and that would give others here (or in another batch) stand in this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from veclab.errors import ModelUnavailable
from veclab.models.local.modules import Module, read_json, walk, wrapper_settings
from veclab.models.local.tokenizer_facts import tokenizer_facts

PARTS = {
    "Transformer", "Pooling", "Dense", "Normalize", "Dropout", "LayerNorm",
    "WeightedLayerPooling", "StaticEmbedding", "Router", "Asym",
}  # fmt: skip
_WORDS = "it reads words by a list of its own, not a tokenizer's tokens"
_REASONS = {
    "CNN": "it reads padding too, so a text's vector depends on the others in its batch",
    "BoW": _WORDS,
    "WordEmbeddings": _WORDS,
    "WordWeights": _WORDS,
    "LSTM": _WORDS,
    "CLIPModel": "it is one for pictures and texts",
}
_MODEL = "SentenceTransformer"
# Settings of a Transformer that change its tokens in ways that only its own `encode` follows.
_OWN_WAY = {
    "query_length": "another limit for queries",
    "document_length": "another limit for documents",
    "query_expansion": "queries filled up with mask tokens",
    "processing_kwargs": "arguments of its own for the tokenizer",
    "tokenizer_name_or_path": "a tokenizer from elsewhere",
}
# Arguments that loading may be given in the settings, under both names that they have had. The
# first are names of settings, the others what may stand there.
_ARGUMENTS = (
    (("processor_kwargs", "tokenizer_args"),
     {"model_max_length", "padding_side", "trust_remote_code", "use_fast"}),
    (("model_kwargs", "model_args"),
     {"attn_implementation", "dtype", "torch_dtype", "trust_remote_code", "use_safetensors",
      "low_cpu_mem_usage"}),
)  # fmt: skip
# What tells where files are, and not how to compute.
_ELSEWHERE = {"revision", "subfolder", "cache_dir", "token"}


def require_supported(path: Path, name: str, modules: Iterable[Module]) -> None:
    """Do nothing where a folder gives its own vectors here.

    Raises:
        ModelUnavailable: names the part or the setting for which it would not.
    """
    modules = tuple(modules)
    saved = read_json(path / "config_sentence_transformers.json")
    kind = saved.get("model_type") or _MODEL
    if kind != _MODEL:
        raise _refused(name, f"it is a {kind}, which gives something else than a vector a text")
    for part in walk(modules):
        if part.kind not in PARTS:
            reason = _REASONS.get(part.kind, "veclab does not know that part")
            raise _refused(name, f"its part {part.kind}: {reason}")
        if part.kind == "Transformer":
            _check_settings(name, wrapper_settings(part.folder))
        if part.kind == "Dense":
            activation = str(part.settings.get("activation_function") or "torch.")
            if not activation.startswith("torch."):
                raise _refused(name, f"its part Dense brings its own code ({activation})")
    _check_inputs(name, modules)
    _check_prompts(name, saved)


def _refused(name: str, reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"the model {name} would give other vectors here than sentence-transformers does, so it "
        f"is refused: {reason}"
    )


def _check_settings(name: str, settings: Mapping[str, Any]) -> None:
    for setting, what in _OWN_WAY.items():
        if settings.get(setting):
            raise _refused(name, f"its Transformer's setting {setting!r} ({what})")
    task = settings.get("transformer_task") or "feature-extraction"
    if task != "feature-extraction":
        raise _refused(name, f"its Transformer is loaded for {task}")
    for names, allowed in _ARGUMENTS:
        for setting in names:
            if odd := set(settings.get(setting) or {}) - allowed:
                raise _refused(name, f"its Transformer's setting {setting!r} has {min(odd)!r}")
    for setting in ("config_kwargs", "config_args"):
        if odd := set(settings.get(setting) or {}) & _ELSEWHERE:
            raise _refused(name, f"its Transformer's setting {setting!r} has {min(odd)!r}")


def _check_inputs(name: str, modules: tuple[Module, ...]) -> None:
    """Refuse what would need more than one way to turn a text into tokens."""
    kinds = [part.kind for part in modules if part.kind != "Dropout"]
    static = [part for part in walk(modules) if part.kind == "StaticEmbedding"]
    if static and kinds not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
        raise _refused(name, "its part StaticEmbedding stands among others")
    inputs = {part.folder: part for part in walk(modules) if part.kind == "Transformer"}
    if len(inputs) < 2:
        return
    from veclab.models.local.folder import max_tokens_of

    ways = {
        (max_tokens_of(folder), str(sorted(tokenizer_facts(folder).items()))) for folder in inputs
    }
    if len(ways) > 1:
        raise _refused(
            name, "the routes of its Router have tokenizers or token limits of their own"
        )


def _check_prompts(name: str, saved: Mapping[str, Any]) -> None:
    chosen = saved.get("default_prompt_name")
    if chosen is not None and chosen not in {"query", "document", *(saved.get("prompts") or {})}:
        raise ModelUnavailable(
            f"the model {name} is damaged: its default prompt {chosen!r} is not among its prompts "
            "(config_sentence_transformers.json)"
        )
