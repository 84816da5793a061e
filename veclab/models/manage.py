"""Models on this machine: fetched for offline use, checked, brought up to date, removed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from veclab.errors import InputError, ModelUnavailable
from veclab.home import home
from veclab.models.catalog import PACKAGED, find_model, full_name, is_installed
from veclab.models.hub import download, in_hub_cache, names_in_hub_cache
from veclab.models.static.folder import NAMED


@dataclass(frozen=True, slots=True)
class Managed:
    """What became of a model.

    Attributes:
        name: as on the hub, or the name it was distilled by.
        path: its folder.
        before, after: the version on this machine, before and now; None where there was none.
        damaged: files whose content is not what the hub gave.
        bytes: that it takes, or took.
    """

    name: str
    path: Path
    before: str | None = None
    after: str | None = None
    damaged: tuple[str, ...] = ()
    bytes: int = 0


def pull(name: str) -> Managed:
    """Bring a model onto this machine, ready to run without a network.

    Its files are fetched, then it is converted and asked for one vector, so that nothing is left
    to be done on first use.

    Raises:
        ModelUnavailable: it cannot be had.
    """
    full = full_name(name)
    before = _version(in_hub_cache(full))
    folder = find_model(name)
    _use_once(name)
    return Managed(folder.name, folder.path, before, _version(folder.path), (), _size(folder.path))


def update(name: str) -> Managed:
    """Fetch what is new of a model of the hub; the old version stays until it is removed.

    Raises:
        InputError: it does not come from the hub.
        ModelUnavailable: the hub does not give it.
    """
    full = _of_hub(name)
    before = in_hub_cache(full)
    path = download(full)
    if path != before:
        _use_once(full)
    return Managed(full, path, _version(before), _version(path), (), _size(path))


def check(name: str) -> Managed:
    """Compare a model's files with the digests that the hub gave for them.

    A packaged model is compared with what veclab knows of it; of a distilled one it is checked
    that it can be read.

    Raises:
        ModelUnavailable: it is not here, or not the published one.
    """
    full = full_name(name)
    here = in_hub_cache(full)
    if here is None:
        folder = find_model(name)  # checks the published digests, or that it can be read
        return Managed(folder.name, folder.path, None, None, (), _size(folder.path))
    damaged = tuple(
        str(file.relative_to(here)) for file in sorted(_files(here)) if not _is_sound(file)
    )
    version = _version(here)
    return Managed(full, here, version, version, damaged, _size(here))


def remove(name: str) -> Managed:
    """Remove a model of the hub, all its versions, or a distilled one; and what was made of it.

    Raises:
        InputError: it is a package, which its installer removes, or not here.
    """
    made = home() / NAMED / name
    if "/" not in name and (made / "config.json").is_file():
        gone = Managed(name, made, None, None, (), _size(made))
        shutil.rmtree(made)
        return gone
    full = _of_hub(name)
    from huggingface_hub import scan_cache_dir

    found = [repo for repo in scan_cache_dir().repos if repo.repo_id == full]
    here = in_hub_cache(full)
    size = sum(repo.size_on_disk for repo in found)
    revisions = [revision.commit_hash for repo in found for revision in repo.revisions]
    scan_cache_dir().delete_revisions(*revisions).execute()
    for converted in (home() / NAMED).glob(f"{full.rsplit('/', 1)[-1]}-*"):
        if (converted / "veclab.json").is_file():  # made by a conversion
            size += _size(converted)
            shutil.rmtree(converted)
    return Managed(full, found[0].repo_path, _version(here), None, (), size)


def managed_names() -> list[str]:
    """Return the models that came from the hub, for `check` and `update` of all."""
    return names_in_hub_cache()


def _of_hub(name: str) -> str:
    full = full_name(name)
    if full in names_in_hub_cache():
        return full
    packaged = next((known for known in PACKAGED if known.name == full), None)
    if packaged is not None and is_installed(packaged):
        modules = [packaged.module] if packaged.module else [part for part, _ in packaged.parts]
        names = " ".join(module.replace("_", "-") for module in modules)
        raise InputError(f"{name} is installed as a package: pip uninstall {names}")
    raise InputError(f"{name} did not come from the hub; `veclab models` lists what is here")


def _use_once(name: str) -> None:
    from veclab.models.providers import open_named

    provider, _ = open_named(name, {})
    provider.embed_batch(provider.tokenize(["ready"], None), None)


def _version(path: Path | None) -> str | None:
    """Return the commit of a folder in the hub's cache."""
    return path.name if path is not None and path.parent.name == "snapshots" else None


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in _files(folder))


def _is_sound(file: Path) -> bool:
    """Compare a file of the hub's cache with the digest that it is named by there.

    Large files are named by their SHA-256, small ones as git names blobs.
    """
    target = file.resolve()
    name = target.name
    if not file.is_symlink() or len(name) not in (40, 64):
        return True  # a file system without links, or a name that is no digest
    sha = hashlib.sha256() if len(name) == 64 else hashlib.sha1()
    if len(name) == 40:
        sha.update(f"blob {target.stat().st_size}\0".encode())
    with target.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            sha.update(chunk)
    return sha.hexdigest() == name


def require_sound(checked: Managed) -> None:
    """Raise ModelUnavailable for a model with damaged files, with the way out."""
    if checked.damaged:
        raise ModelUnavailable(
            f"{checked.name}: {', '.join(checked.damaged)} differ from what the hub gave. To fetch "
            f"them again: veclab models remove {checked.name} && veclab models pull {checked.name}"
        )
