"""The facts of a model folder that decide its vectors, in a form that leaves out what does not.

Two folders with the same weights and equal facts compute the same vectors. What only names, dates
or trains a model is left out; so is what equals the value that the libraries take where nothing is
said, since one version of them writes it down and another does not. What is not known here counts:
the mistake that is left is to call one model two, never two models one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from veclab.models.local.digests import file_digest
from veclab.models.local.modules import (
    Module,
    pooling_modes,
    read_json,
    router_settings,
    wrapper_settings,
)
from veclab.models.local.tokenizer_facts import tokenizer_facts
from veclab.space import Scalar

Facts = dict[str, Any]

# Of a transformer's config.json. Names, versions, numbers that only training or generating reads,
# and the number type, which is chosen when the model is loaded (the Recipe holds it).
_UNREAD = re.compile(
    r"""_name_or_path | _commit_hash | name_or_path | transformers_version | architectures
    | auto_map | (torch_)?dtype | _?attn_implementation(_internal|_autoset)? | model_name
    | base_model\w*
    | use_cache | output_(attentions|hidden_states) | (use_)?return_dict | torchscript
    | use_bfloat16 | tf_legacy_loss | gradient_checkpointing | reference_compile
    | initializer_\w+ | init_std | init_method | \w*(dropout|layerdrop|_pdrop)(_prob|_rate)?
    | classifier_\w+ | summary_\w+ | decoder_bias | sparse_\w+ | deterministic_flash_attn
    | id2label | label2id | num_labels | problem_type | finetuning_task | task_specific_params
    | chunk_size_feed_forward | scale_decoder_outputs
    | max_length | min_length | do_sample | early_stopping | num_(beams|beam_groups)
    | temperature | top_[kp] | typical_p | diversity_penalty | repetition_penalty | length_penalty
    | no_repeat_ngram_size | encoder_no_repeat_ngram_size | num_return_sequences | bad_words_ids
    | forced_\w+ | suppress_tokens | begin_suppress_tokens | exponential_decay_length_penalty
    | remove_invalid_values | output_scores | return_dict_in_generate | prefix
    | (bos|eos)_index | cache_implementation | pretraining_tp""",
    re.VERBOSE,
)
# What transformers takes where nothing is said, whatever the type of model.
_USUAL: Facts = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "cross_attention_hidden_size": None,
    "tie_word_embeddings": True,
    "tie_encoder_decoder": False,
    "pruned_heads": {},
    "partial_rotary_factor": 1.0,
}
# Of what sentence-transformers keeps of a transformer. The length is in the Recipe.
_WRAPPER_UNREAD = {"max_seq_length", "model_name_or_path", "tokenizer_name_or_path", "backend"}
_WRAPPER_USUAL: Facts = {
    "do_lower_case": False,
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "unpad_inputs": None,
}
_FORWARD = {"method": "forward", "method_output_name": "last_hidden_state"}
_TANH = "torch.nn.modules.activation.Tanh"
# Of parts that this module knows nothing special of.
_TEXT_FILES = ("*.txt", "*.model", "*.vocab", "*.bpe")


def configuration_of(modules: Iterable[Module]) -> tuple[tuple[str, Scalar], ...]:
    """Return the facts of a model's parts, by names such as `0.Transformer.num_hidden_layers`."""
    facts = _parts_facts([part for part in modules if part.kind != "Dropout"], {})
    return tuple(sorted(_flat(facts).items()))


def _parts_facts(
    parts: Iterable[Module], seen: dict[tuple[Path, str], str], within: str = ""
) -> Facts:
    """Collect the facts of parts that follow one another; `seen` names those met before."""
    named = {f"{number}.{part.kind}": part for number, part in enumerate(parts)}
    # The list itself is a fact: a part without settings (Normalize) is one, too.
    facts: Facts = {"modules": " ".join(part.kind for part in named.values())}
    for name, part in named.items():
        place = (part.folder, part.kind)
        if place in seen:  # two routes share it, and with it the weights
            facts[name] = {"same_as": seen[place]}
            continue
        seen[place] = within + name
        facts[name] = _facts(part) | {
            route: _parts_facts(inner, seen, f"{within}{name}.{route}.")
            for route, inner in part.routes
        }
    return facts


def _facts(part: Module) -> Facts:
    settings = part.settings
    if part.kind == "Transformer":
        return (
            transformer_facts(settings)
            | wrapper_facts(wrapper_settings(part.folder))
            | {"tokenizer": tokenizer_facts(part.folder)}
        )
    if part.kind == "Pooling":
        whole = bool(settings.get("include_prompt", True))
        return {"mode": "+".join(pooling_modes(settings))} | (
            {} if whole else {"include_prompt": False}
        )
    if part.kind == "Dense":
        source = settings.get("module_input_name") or "sentence_embedding"
        usual = {"module_input_name": "sentence_embedding", "module_output_name": source}
        named = {"activation_function": settings.get("activation_function") or _TANH}
        shapes = {"in_features", "out_features", "bias"}  # the weights have them
        return _unusual(settings | named, usual | {"use_residual": False}, shapes)
    if part.kind == "Normalize":
        name = "sentence_embedding"
        return _unusual(settings, {"module_input_name": name, "module_output_name": name})
    if part.kind == "StaticEmbedding":
        return {"tokenizer": tokenizer_facts(part.folder)}
    if part.routes:
        return _unusual(router_settings(part.folder), {"route_mappings": {}, "default_route": None})
    return _other_facts(part.folder)


def _other_facts(folder: Path) -> Facts:
    """Return all settings in a folder, and digests of its other texts (vocabularies)."""
    facts: Facts = {}
    for file in sorted(folder.glob("*.json")):
        facts[file.name] = _unusual(read_json(file), {}, {"__version__"})
    for pattern in _TEXT_FILES:
        facts |= {file.name: file_digest(file)[:16] for file in sorted(folder.glob(pattern))}
    return facts


def transformer_facts(config: Mapping[str, Any]) -> Facts:
    """Return what decides the vectors, of a transformer's config.json."""
    facts = {name: fact for name, fact in config.items() if not _UNREAD.fullmatch(name)}
    facts = _unusual(facts | {"rope": rope_facts(facts)}, _USUAL)
    for name in ("rope_parameters", "rope_scaling", "rope_theta", "global_rope_theta",
                 "local_rope_theta", "rope_local_base_freq"):  # fmt: skip
        facts.pop(name, None)
    # Numbers that follow from others, which later versions write down.
    heads, width = facts.get("num_attention_heads"), facts.get("hidden_size")
    if heads and width and facts.get("head_dim") == width // heads:
        del facts["head_dim"]
    if "encoder_layers" in facts:
        facts.pop("num_hidden_layers", None)
    if (every := facts.get("global_attn_every_n_layers")) and "layer_types" in facts:
        kinds = facts["layer_types"]
        expected = [
            "sliding_attention" if n % every else "full_attention" for n in range(len(kinds))
        ]
        if kinds == expected:
            del facts["layer_types"]
    return facts


def rope_facts(config: Mapping[str, Any]) -> Facts:
    """Read rotary positions, by kind of attention, as transformers 4 and 5 write them."""
    said = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if said and all(isinstance(part, Mapping) for part in said.values()):
        by_kind = {str(kind): dict(part) for kind, part in said.items()}
    else:
        by_kind = {"full_attention": dict(said)}
    thetas = {
        "full_attention": config.get("global_rope_theta") or config.get("rope_theta"),
        "sliding_attention": config.get("local_rope_theta") or config.get("rope_local_base_freq"),
    }
    for kind, theta in thetas.items():
        if theta is not None:
            by_kind.setdefault(kind, {}).setdefault("rope_theta", theta)
    for part in by_kind.values():
        if "type" in part:
            part.setdefault("rope_type", part.pop("type"))
    usual = {"rope_type": "default", "partial_rotary_factor": 1.0}
    return {kind: _unusual(part, usual) for kind, part in by_kind.items()}


def wrapper_facts(settings: Mapping[str, Any]) -> Facts:
    """Return what sentence-transformers is told of a transformer beyond the usual."""
    facts = dict(settings)
    ways = facts.pop("modality_config", None)
    text = ways.get("text") if isinstance(ways, Mapping) else None  # nothing else is embedded
    if text not in (None, _FORWARD):
        facts["text"] = text
    return _unusual(facts, _WRAPPER_USUAL, _WRAPPER_UNREAD)


def _unusual(facts: Mapping[str, Any], usual: Facts, unread: Iterable[str] = ()) -> Facts:
    """Leave out facts that are unread, not stated, or at their usual value."""
    skipped = set(unread)
    return {
        name: fact
        for name, fact in facts.items()
        if fact is not None
        and fact != {}
        and name not in skipped
        and not (name in usual and _same(fact, usual[name]))
    }


def _same(fact: Any, other: Any) -> bool:
    return bool(fact == other) and isinstance(fact, bool) == isinstance(other, bool)


def _flat(facts: Mapping[str, Any], within: str = "") -> dict[str, Scalar]:
    """Flatten nested facts to dotted names; lists as JSON; 10000.0 as 10000, unlike JSON."""
    flat: dict[str, Scalar] = {}
    for name, fact in facts.items():
        if isinstance(fact, Mapping):
            flat |= _flat(fact, f"{within}{name}.")
        elif isinstance(fact, float) and fact.is_integer():
            flat[within + name] = int(fact)
        elif isinstance(fact, Scalar):
            flat[within + name] = fact
        elif fact is not None:
            flat[within + name] = json.dumps(fact, sort_keys=True, separators=(",", ":"))
    return flat
