"""Reading what a Sentence Transformers model folder says of itself, without loading the model.

Everything that the Space needs is in the folder's JSON files and in the digest of its weights, so
that a space can be compared, a cache looked up and a fast engine started without importing torch.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from veclab.errors import ModelUnavailable
from veclab.models.local.configuration import configuration_of
from veclab.models.local.digests import file_digest
from veclab.models.local.modules import (
    Module,
    pooling_modes,
    read_json,
    read_modules,
    walk,
    wrapper_settings,
)
from veclab.models.local.supported import require_supported
from veclab.space import Role, Scalar, Space

# What transformers writes for "no limit" is 10^30.
_NO_LIMIT = 1_000_000
# Types of models whose positions begin after the id of padding.
_COUNTED_FROM_PADDING = {
    "roberta", "xlm-roberta", "xlm-roberta-xl", "roberta-prelayernorm", "camembert", "mpnet",
    "longformer", "data2vec-text", "xmod", "ibert", "mra", "luke", "esm",
}  # fmt: skip
# Types whose positions are rows of a table: there is none for a token beyond it.
_LEARNED_POSITIONS = _COUNTED_FROM_PADDING | {
    "bert", "distilbert", "albert", "electra", "convbert", "mobilebert", "ernie", "splinter",
    "layoutlm", "gpt2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """The files of a static model, which has a vector for each token and no transformer.

    Attributes:
        weights: the safetensors file with the table.
        tokenizer: its tokenizer.json, under whatever name.
        drop_unknown: whether unknown tokens are left out of the mean, as model2vec does.
        unit_length: whether the model itself ends in scaling vectors to unit length.
    """

    weights: Path
    tokenizer: Path
    drop_unknown: bool
    unit_length: bool = False


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on disk.

    Attributes:
        path: the folder.
        name: what to call it.
        weights: SHA-256 of the weights (of the single file, or over all files).
        bytes: size of the weights.
        dimensions: length of a vector, None where only loading the model can tell.
        max_tokens: longest text, special tokens included; None for no limit.
        pooling: how token vectors become one, as far as the folder tells.
        prompts: what is put in front of texts, by the model's own names.
        default_prompt: name of the prompt used without a role, None for none.
        modules: short class names of its parts, in order.
        transformer: folder of the transformer itself, where the tokenizer lies too.
        license: SPDX identifier as the model card gives it, None where it does not.
        static: the files of a static model, None for every other.
        configuration: what besides the weights decides the vectors, see `configuration_of`.
        folders: where the parts lie, each once; what they read is in these.
        truncate_dim: what its vectors are cut to where nobody asks for another length.
    """

    path: Path
    name: str
    weights: str
    bytes: int
    dimensions: int | None
    max_tokens: int | None
    pooling: str | None
    prompts: Mapping[str, str]
    default_prompt: str | None
    modules: tuple[str, ...]
    transformer: Path
    license: str | None
    static: StaticFiles | None = None
    configuration: tuple[tuple[str, Scalar], ...] = ()
    folders: tuple[Path, ...] = ()
    truncate_dim: int | None = None

    @property
    def routed(self) -> bool:
        """Whether queries and documents take different routes through the model."""
        return "Router" in self.modules

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages the model card names; () where it names none."""
        lines = _front_matter(self.path)
        for number, line in enumerate(lines):
            if line.startswith("language:"):
                said = line.split(":", 1)[1].strip().strip("[]")
                listed = itertools.takewhile(lambda li: li.startswith("- "), lines[number + 1 :])
                codes = said.split(",") if said else [item[2:] for item in listed]
                return tuple(code.strip().strip("'\"") for code in codes)
        return ()

    @property
    def tokenizer_digest(self) -> str | None:
        """16 hex digits that tell this tokenizer from another; None where it is in no one file."""
        file = self.static.tokenizer if self.static else self.transformer / "tokenizer.json"
        return file_digest(file)[:16] if file.exists() else None

    @property
    def truncation_side(self) -> Literal["left", "right"]:
        """Where a text over the limit loses tokens."""
        settings = read_json(self.transformer / "tokenizer_config.json")
        return "left" if settings.get("truncation_side") == "left" else "right"

    @property
    def needs_prompt_mask(self) -> bool:
        """Whether pooling leaves out the tokens of a prompt that some text may have."""
        return "-without-prompt" in (self.pooling or "") and any(self.prompts.values())

    def reads_role(self, role: Role | None) -> bool:
        """Return whether a text in a role has another vector than without one."""
        return self.routed or self.prompt(role) != self.prompt(None)

    def prompt(self, role: Role | None) -> str:
        """Return what is put in front of a text in that role; "" for nothing.

        A role without a prompt has none: sentence-transformers does not fall back to another.
        """
        name = self.default_prompt if role is None else role
        return "" if name is None else self.prompts.get(name, "")

    def space(self, dimensions: int, *, normalized: bool) -> Space:
        """Return the Space of this model's vectors."""
        prompts = (
            ("query", self.prompt("query")),
            ("document", self.prompt("document")),
            ("default", self.prompt(None)),
        )
        return Space(
            provider="local",
            model=self.name,
            dimensions=dimensions,
            weights=self.weights,
            pooling=self.pooling,
            prompts=prompts,
            normalized=normalized,
            configuration=self.configuration,
        )


def read_folder(path: Path, *, name: str, license: str | None = None) -> ModelFolder:
    """Read the description of a model.

    Raises:
        ModelUnavailable: the folder holds no model, a damaged one, or weights that are not
            safetensors.
    """
    from veclab.models.static.folder import is_static, read_static, read_static_embedding

    if is_static(read_json(path / "config.json")):
        return read_static(path, name=name, license=license)
    modules = read_modules(path)
    require_supported(path, name, modules)
    static = read_static_embedding(path, modules, name=name, license=license)
    if static is not None:
        return static
    parts = list(walk(modules))
    transformer = next((part.folder for part in parts if part.kind == "Transformer"), path)
    folders = tuple(dict.fromkeys(part.folder for part in parts))
    weights, size = _weights(name, folders)
    prompts, default_prompt = read_prompts(path)
    config = read_json(transformer / "config.json")
    pooling, dimensions = _pooling(modules, config)
    return ModelFolder(
        path=path,
        name=name,
        weights=weights,
        bytes=size,
        dimensions=dimensions,
        max_tokens=max_tokens_of(transformer),
        pooling=pooling,
        prompts=prompts,
        default_prompt=default_prompt,
        modules=tuple("Router" if part.routes else part.kind for part in modules),
        transformer=transformer,
        license=license or read_license(path),
        configuration=configuration_of(modules),
        folders=folders,
        truncate_dim=read_truncation(path),
    )


def _weights(name: str, folders: Iterable[Path]) -> tuple[str, int]:
    """Return the SHA-256 over the weights, and their size in bytes."""
    files: list[Path] = []
    folders = list(folders)
    for folder in folders:
        if (folder / "adapter_config.json").exists():
            raise ModelUnavailable(
                f"the model {name} is an adapter: the weights that it adapts are not in its "
                "folder. Merge it once (PEFT's merge_and_unload) and give veclab that folder"
            )
        found = sorted(folder.glob("*.safetensors"))
        pickles = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt"))
        if pickles and not found:
            raise ModelUnavailable(
                f"the weights of {name} are a pickle ({pickles[0].name}), which could run code "
                "when it is read; veclab reads safetensors only. Convert the model once where "
                "you trust it (model.save_pretrained(folder)) and give veclab that folder"
            )
        files += found
    if not files:
        raise ModelUnavailable(
            f"the model {name} has no weights (*.safetensors) in {folders[0]}; it was perhaps "
            "downloaded only in part"
        )
    digests = [file_digest(file) for file in files]
    size = sum(file.stat().st_size for file in files)
    if len(digests) == 1:
        return digests[0], size
    return hashlib.sha256("\n".join(digests).encode()).hexdigest(), size


def _pooling(modules: Iterable[Module], config: dict[str, Any]) -> tuple[str | None, int | None]:
    """Return how vectors are pooled, in words, and their length where the folder tells."""
    width = config.get("hidden_size") or config.get("d_model") or config.get("dim")
    parts: list[str] = []
    for module in modules:
        settings = module.settings
        if module.kind == "Pooling":
            modes = pooling_modes(settings)
            excluded = "" if settings.get("include_prompt", True) else "-without-prompt"
            parts.append("+".join(modes) + excluded)
            base = settings.get("embedding_dimension") or settings.get("word_embedding_dimension")
            base = base or width
            width = None if base is None else base * len(modes)
        elif module.kind == "Dense":
            parts.append("dense")
            width = settings.get("out_features")
        elif module.kind not in ("Transformer", "Normalize", "Dropout"):
            parts.append(module.kind.lower())
            width = None
    return ",".join(parts) or None, width


def max_tokens_of(transformer: Path) -> int | None:
    """Return the longest text: what the model says, else what tokenizer and positions allow."""
    config, settings = read_json(transformer / "config.json"), wrapper_settings(transformer)
    arguments = settings.get("processor_kwargs") or settings.get("tokenizer_args") or {}
    said = arguments.get("model_max_length", settings.get("max_seq_length"))
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if positions and config.get("model_type") in _COUNTED_FROM_PADDING:
        # The first positions, up to the id of padding, stand for none.
        positions -= (config.get("pad_token_id") or 0) + 1
    if said is None:
        said = read_json(transformer / "tokenizer_config.json").get("model_max_length")
    elif config.get("model_type") not in _LEARNED_POSITIONS:
        positions = None
    known = [limit for one in (said, positions) if (limit := as_limit(one)) is not None]
    return min(known) if known else None


def as_limit(said: Any) -> int | None:
    """Return a number of tokens; None for what libraries write where there is no limit."""
    number = isinstance(said, (int, float)) and 0 < said < _NO_LIMIT
    return int(said) if number else None


def read_truncation(path: Path) -> int | None:
    """Read the length that a model cuts its vectors to; None where it does not."""
    said = read_json(path / "config_sentence_transformers.json").get("truncate_dim")
    return said if isinstance(said, int) and said > 0 else None


def read_prompts(path: Path) -> tuple[dict[str, str], str | None]:
    """Read a model's prompts by its own names, and the name of the one used without a role."""
    settings = read_json(path / "config_sentence_transformers.json")
    prompts = {k: v or "" for k, v in (settings.get("prompts") or {}).items()}
    return prompts, settings.get("default_prompt_name")


def read_license(path: Path) -> str | None:
    """Read the license from the front matter of the model card."""
    for line in _front_matter(path):
        if line.startswith("license:"):
            return line.split(":", 1)[1].strip() or None
    return None


def _front_matter(path: Path) -> list[str]:
    """Return the first lines between the dashes of the model card; [] where there are none."""
    try:
        lines = (path / "README.md").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    if not lines or lines[0].strip() != "---":
        return []
    return list(itertools.takewhile(lambda line: line.strip() != "---", lines[1:300]))
