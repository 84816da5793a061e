"""Reading what a Sentence Transformers model folder says of itself, without loading the model.

Everything that the Space needs is in the folder's JSON files and in the digest of its weights, so
that a space can be compared, a cache looked up and a fast engine started without importing torch.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veclab.errors import ModelUnavailable
from veclab.home import home
from veclab.space import Role, Space

# What transformers writes for "no limit" is 10^30.
_NO_LIMIT = 1_000_000
# Names that models use for the prompt of a stored text, in the order sentence-transformers asks.
_DOCUMENT_NAMES = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """The files of a static model, which has a vector for each token and no transformer.

    Attributes:
        weights: the safetensors file with the table.
        tokenizer: its tokenizer.json, under whatever name.
        drop_unknown: whether unknown tokens are left out of the mean, as model2vec does.
    """

    weights: Path
    tokenizer: Path
    drop_unknown: bool


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
    def needs_prompt_mask(self) -> bool:
        """Whether pooling leaves out the tokens of a prompt that some text may have."""
        return "-without-prompt" in (self.pooling or "") and any(self.prompts.values())

    def prompt(self, role: Role | None) -> str:
        """What is put in front of a text in that role; "" for nothing."""
        names: tuple[str | None, ...]
        if role is None:
            names = (self.default_prompt,)
        elif role == "query":
            names = ("query", self.default_prompt)
        else:
            names = (*_DOCUMENT_NAMES, self.default_prompt)
        return next((self.prompts[n] for n in names if n is not None and n in self.prompts), "")

    def space(self, dimensions: int, *, normalized: bool) -> Space:
        """The Space of this model's vectors."""
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
        )


def read_folder(path: Path, *, name: str, license: str | None = None) -> ModelFolder:
    """Read the description of a model.

    Raises:
        ModelUnavailable: the folder holds no model, a damaged one, or weights that are not
            safetensors.
    """
    from veclab.models.static.folder import is_static, read_static

    if is_static(read_json(path / "config.json")):
        return read_static(path, name=name, license=license)
    modules = _modules(path)
    transformer = path / next((m["path"] for m in modules if m["kind"] == "Transformer"), "")
    weights, size = _weights(name, [path / m["path"] for m in modules])
    settings = read_json(path / "config_sentence_transformers.json")
    config = read_json(transformer / "config.json")
    pooling, dimensions = _pooling(path, modules, config)
    return ModelFolder(
        path=path,
        name=name,
        weights=weights,
        bytes=size,
        dimensions=dimensions,
        max_tokens=_max_tokens(transformer, config),
        pooling=pooling,
        prompts={k: v for k, v in (settings.get("prompts") or {}).items() if v is not None},
        default_prompt=settings.get("default_prompt_name"),
        modules=tuple(m["kind"] for m in modules),
        transformer=transformer,
        license=license or read_license(path),
    )


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, {} where there is no file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"the model file {path} cannot be read: {error}") from None
    return value if isinstance(value, dict) else {}


def _modules(path: Path) -> list[dict[str, str]]:
    """Kind and folder of each part. A plain transformer gets mean pooling, as upstream does."""
    listing = path / "modules.json"
    if not listing.exists():
        if not (path / "config.json").exists():
            raise ModelUnavailable(
                f"{path} holds no model: neither modules.json nor config.json is there"
            )
        return [{"kind": "Transformer", "path": ""}, {"kind": "Pooling", "path": ""}]
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))
        modules = [{"kind": e["type"].rsplit(".", 1)[1], "path": e["path"]} for e in entries]
        foreign = [e["type"] for e in entries if not e["type"].startswith("sentence_transformers.")]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelUnavailable(f"the model file {listing} is damaged: {error}") from None
    if foreign:
        raise ModelUnavailable(
            f"the model in {path} brings its own code ({', '.join(foreign)}); veclab runs no code "
            "that comes with a model"
        )
    return modules


def _weights(name: str, folders: list[Path]) -> tuple[str, int]:
    """SHA-256 over the weights, and their size in bytes."""
    files: list[Path] = []
    for folder in dict.fromkeys(folders):
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


def _pooling(
    path: Path, modules: list[dict[str, str]], config: dict[str, Any]
) -> tuple[str | None, int | None]:
    """How vectors are pooled, in words, and their length where the folder tells."""
    width = config.get("hidden_size") or config.get("d_model") or config.get("dim")
    parts: list[str] = []
    for module in modules:
        settings = read_json(path / module["path"] / "config.json") if module["path"] else {}
        if module["kind"] == "Pooling":
            modes = _pooling_modes(settings)
            excluded = "" if settings.get("include_prompt", True) else "-without-prompt"
            parts.append("+".join(modes) + excluded)
            base = settings.get("embedding_dimension") or settings.get("word_embedding_dimension")
            base = base or width
            width = None if base is None else base * len(modes)
        elif module["kind"] == "Dense":
            parts.append("dense")
            width = settings.get("out_features")
        elif module["kind"] not in ("Transformer", "Normalize", "Dropout"):
            parts.append(module["kind"].lower())
            width = None
    return ",".join(parts) or None, width


def _pooling_modes(settings: dict[str, Any]) -> list[str]:
    """Names of the pooling modes, from both ways of writing them down."""
    mode = settings.get("pooling_mode")
    if mode is not None:
        return [mode] if isinstance(mode, str) else list(mode)
    flags = {
        "pooling_mode_cls_token": "cls",
        "pooling_mode_max_tokens": "max",
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens": "weightedmean",
        "pooling_mode_lasttoken": "lasttoken",
    }
    return [label for flag, label in flags.items() if settings.get(flag)] or ["mean"]


def _max_tokens(transformer: Path, config: dict[str, Any]) -> int | None:
    """The longest text: what the model says, else what tokenizer and positions allow."""
    said = read_json(transformer / "sentence_bert_config.json").get("max_seq_length")
    if said:
        return int(said)
    tokenizer = read_json(transformer / "tokenizer_config.json").get("model_max_length")
    limits = [tokenizer, config.get("max_position_embeddings")]
    known = [int(limit) for limit in limits if limit and limit < _NO_LIMIT]
    return min(known) if known else None


def read_license(path: Path) -> str | None:
    """The license from the front matter of the model card."""
    for line in _front_matter(path):
        if line.startswith("license:"):
            return line.split(":", 1)[1].strip() or None
    return None


def _front_matter(path: Path) -> list[str]:
    """The first lines between the dashes of the model card; [] where there are none."""
    try:
        lines = (path / "README.md").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    if not lines or lines[0].strip() != "---":
        return []
    return list(itertools.takewhile(lambda line: line.strip() != "---", lines[1:300]))


def file_digest(path: Path) -> str:
    """SHA-256 of a file, remembered by path, size and times so that a start stays fast."""
    facts = path.stat()
    key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{facts.st_ctime_ns}|{facts.st_ino}"
    memo = home() / "digests.json"
    known = _memory(memo)
    if key in known:
        return known[key]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # Only a saving of time: where the home cannot be written, the next start hashes again.
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        temporary = memo.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({**known, key: digest}, indent=0), encoding="utf-8")
        temporary.replace(memo)
    except OSError:
        return digest
    return digest


def _memory(memo: Path) -> dict[str, str]:
    """What is remembered; nothing where that is missing or damaged."""
    try:
        known = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, str)}
