"""Models of the hub: found on this machine, downloaded when asked for, and said plainly if not."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from veclab.errors import MissingExtra, ModelUnavailable, first_line
from veclab.models.local.openvino.graphs.build import has_builder

# What a model needs: weights as safetensors only (a .bin file is a pickle, which can run code).
_HUB_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "README.md"]
_HUB_IGNORED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]
_WANTED = {"allow_patterns": _HUB_FILES, "ignore_patterns": _HUB_IGNORED}
# A second copy of the weights, which only those need who have no torch for a model that no builder
# of graphs knows.
_HUB_CONVERTED = ["openvino/openvino_model.xml", "openvino/openvino_model.bin", "onnx/model.onnx"]
_YES = ("1", "true", "yes", "on")


class NotFromHub(ModelUnavailable):
    """The hub did not give a model; the message is one plain sentence."""


def in_hub_cache(name: str) -> Path | None:
    """Find the files of a model that was downloaded before."""
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, local_files_only=True, **_WANTED))
    except Exception:  # not installed, not downloaded, or no name of the hub at all
        return None


def names_in_hub_cache() -> list[str]:
    """Return the names of the models that were downloaded, judging by folders alone."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return []
    folders = sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*/snapshots/*/config.json"))
    names = [folder.parents[2].name.removeprefix("models--") for folder in folders]
    return list(dict.fromkeys(name.replace("--", "/", 1) for name in names))


def download(name: str) -> Path:
    """Download the files of a model, or what of them is new.

    Raises:
        NotFromHub: it cannot be had; says why.
        MissingExtra: the hub's client is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
    except ImportError:
        raise MissingExtra("torch", f"the model {name}") from None
    if is_offline():
        raise NotFromHub("HF_HUB_OFFLINE is set, so nothing is downloaded")
    try:
        enable_progress_bars() if os.isatty(2) else disable_progress_bars()
        path = Path(snapshot_download(name, **_WANTED))
        if find_spec("torch") is None and not has_builder(path):
            snapshot_download(name, allow_patterns=_HUB_CONVERTED)
        return path
    except Exception as error:  # the hub's client raises a dozen kinds
        raise NotFromHub(reason_of(name, error)) from error


def is_offline() -> bool:
    """Return whether the user has cut the hub off (HF_HUB_OFFLINE)."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in _YES


def hub_url() -> str:
    """Return the address of the hub: HF_ENDPOINT, else Hugging Face's own."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def reason_of(name: str, error: BaseException) -> str:
    """Return why the hub's client failed, in one plain sentence without its full stop."""
    from huggingface_hub import errors

    chain = [error]
    while (
        inner := chain[-1].__cause__ or chain[-1].__context__
    ) is not None and inner not in chain:
        chain.append(inner)
    address = hub_url()
    for link in chain:
        if isinstance(link, errors.HFValidationError):
            return f"{name!r} cannot be the name of a model of the hub (PUBLISHER/MODEL)"
        if isinstance(link, errors.GatedRepoError):
            return (
                f"its publisher lets only those have it who accept the terms at {address}/{name} "
                "and sign in (set HF_TOKEN)"
            )
        if isinstance(link, errors.RepositoryNotFoundError):
            return f"{address} has no model of that name, or a private one (set HF_TOKEN)"
        if isinstance(link, errors.DisabledRepoError):
            return f"{address} has disabled it"
        status = getattr(getattr(link, "response", None), "status_code", None)
        if status == 429:
            return f"{address} has had too many requests from here: wait, or set HF_TOKEN"
        if status in (401, 403):
            return f"{address} refuses it without the right to read it (set HF_TOKEN)"
        if status is not None and status >= 500:
            return f"{address} fails at the moment (HTTP {status}): try again later"
        if isinstance(link, OSError) and link.errno is not None and link.filename:
            return f"{link.filename} cannot be written ({link.strerror})"
    kinds = {base.__name__ for link in chain for base in type(link).__mro__}
    if any("Timeout" in kind for kind in kinds):
        return f"{address} does not answer in time"
    unreachable = {"ConnectError", "ConnectionError", "NetworkError", "LocalEntryNotFoundError"}
    if kinds & unreachable:
        return f"{address} cannot be reached from here"
    return f"{address} did not give it ({first_line(error).rstrip('.')})"
