"""The modules of a Sentence Transformers folder, however deep they lie, without running any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from veclab.errors import ModelUnavailable
from veclab.jsontext import parse_json

# What a Router was called before version 5.
_ROUTERS = ("Router", "Asym")
_ROUTER_FILES = ("router_config.json", "config.json")
# Settings of a Transformer, under the names that sentence-transformers looks for, in its order.
_WRAPPER_FILES = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)


@dataclass(frozen=True, slots=True)
class Module:
    """One part of a model.

    Attributes:
        kind: short class name: `Transformer`, `Pooling`, `Dense`, ...
        folder: where its files lie.
        routes: of a Router: the parts of each way through it, by name.
    """

    kind: str
    folder: Path
    routes: tuple[tuple[str, tuple[Module, ...]], ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """What its `config.json` says; {} for the parts that share the folder of the model."""
        return read_json(self.folder / "config.json")

    def walk(self) -> Iterator[Module]:
        """Yield this part and all parts inside, the same folder each time it is used."""
        yield self
        for _, parts in self.routes:
            for part in parts:
                yield from part.walk()


def walk(modules: Iterable[Module]) -> Iterator[Module]:
    """Yield all parts, those inside of others too."""
    for module in modules:
        yield from module.walk()


def read_modules(path: Path) -> tuple[Module, ...]:
    """Read the parts of the model in a folder. A plain transformer gets mean pooling, as upstream
    does.

    Raises:
        ModelUnavailable: there is no model, the list of its parts is damaged or leads out of the
            folder, or a part brings its own code.
    """
    listing = path / "modules.json"
    if not listing.exists():
        if not (path / "config.json").exists():
            raise ModelUnavailable(
                f"{path} holds no model: neither modules.json nor config.json is there"
            )
        return Module("Transformer", path), Module("Pooling", path)
    try:
        entries = parse_json(listing.read_text(encoding="utf-8"))
        parts = [(str(entry["path"]), str(entry["type"])) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"the model file {listing} is damaged: {error}") from None
    return tuple(_module(path, at, kind, listing) for at, kind in parts)


def _module(base: Path, at: str, kind: str, listing: Path) -> Module:
    if not kind.startswith("sentence_transformers."):
        raise ModelUnavailable(
            f"the model in {base} brings its own code ({kind}); veclab runs no code that comes "
            "with a model"
        )
    if PurePosixPath(at).is_absolute() or ".." in PurePosixPath(at).parts:
        raise ModelUnavailable(f"{listing} leads out of the model's folder: {at!r}")
    name, folder = kind.rsplit(".", 1)[1], base / at
    return Module(name, folder, _routes(folder) if name in _ROUTERS else ())


def _routes(folder: Path) -> tuple[tuple[str, tuple[Module, ...]], ...]:
    file = next((folder / name for name in _ROUTER_FILES if (folder / name).exists()), None)
    if file is None:
        raise ModelUnavailable(f"the routes of the model in {folder} are missing (router_config)")
    said = read_json(file)
    try:
        kinds, structure = dict(said["types"]), dict(said["structure"])
        return tuple(
            (str(route), tuple(_module(folder, at, str(kinds[at]), file) for at in parts))
            for route, parts in sorted(structure.items())
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(f"the model file {file} is damaged: {error!r}") from None


def router_settings(folder: Path) -> dict[str, Any]:
    """Return how a Router chooses a way: its `parameters`."""
    said = next(filter(None, (read_json(folder / name) for name in _ROUTER_FILES)), {})
    parameters = said.get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def wrapper_settings(transformer: Path) -> dict[str, Any]:
    """Return what sentence-transformers keeps of a Transformer besides its `config.json`.

    In the folder of a transformer that is no part of a saved model it does not look for it.
    """
    parents = ("modules.json", *_ROUTER_FILES)
    saved = (transformer / "modules.json").exists() or any(
        (transformer.parent / name).exists() for name in parents
    )
    if not saved:
        return {}
    return next(filter(None, (read_json(transformer / name) for name in _WRAPPER_FILES)), {})


def pooling_modes(settings: dict[str, Any]) -> list[str]:
    """Return the names of the pooling modes, from both ways of writing them down."""
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


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file, {} where there is no file."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"the model file {path} cannot be read: {error}") from None
    return value if isinstance(value, dict) else {}
