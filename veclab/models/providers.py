"""Who opens a model: the word before the colon of its name, veclab's own or another package's.

A package that brings models of its own names a class or function in its metadata:

    [project.entry-points."veclab.providers"]
    hashed = "hashed_words:HashedWords"

and `veclab.load("hashed:words.1", dimensions=128)` calls it with the rest of the name and with
those options of `veclab.load` that were given. It returns an EmbeddingProvider. veclab's own are
opened just so. See docs/providers.md.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from veclab.errors import InputError, ModelUnavailable, VeclabError
from veclab.models.spelling import explain, split_cut
from veclab.models.words.model import is_words
from veclab.provider import EmbeddingProvider

GROUP = "veclab.providers"
# Names of their models have no word in front.
_LOCAL, _WORDS = "local", "words"
OWN = {
    _LOCAL: "veclab.models.loading:open_local",
    _WORDS: "veclab.models.loading:open_words",
    "openai": "veclab.models.loading:open_openai",
    "cohere": "veclab.models.loading:open_cohere",
}
_IS = {_LOCAL: "runs here", _WORDS: "holds word vectors"}
# Two letters or more: one is a drive of Windows.
_PREFIXED = re.compile(r"([a-z][a-z0-9_.-]+):(?![/\\])(.*)", re.DOTALL)
# What `veclab.load` does where nothing is said.
_DEFAULTS: Mapping[str, object] = {"normalize": True}


def prefix_of(name: str) -> str | None:
    """Return the provider that a model's name names; None for a model that runs here."""
    found = _PREFIXED.fullmatch(name)
    return None if found is None or is_words(name) or Path(name).exists() else found[1]


def is_prefixed(name: str) -> bool:
    """Return whether a name is one of a provider: of an endpoint, or of another package."""
    return prefix_of(name) is not None


def installed() -> dict[str, EntryPoint]:
    """Find the providers that there are, by name; nothing of theirs is imported.

    Nobody takes a name of veclab's own: keys would go there.

    Raises:
        InputError: two packages claim one name.
    """
    found = {name: EntryPoint(name, value, GROUP) for name, value in OWN.items()}
    for point in entry_points(group=GROUP):
        if point.name in OWN:
            continue
        before = found.get(point.name)
        if before is not None and before.value != point.value:
            raise InputError(
                f"two packages bring models called {point.name}: ({_package(before)} and "
                f"{_package(point)}); uninstall one"
            )
        found[point.name] = point
    return found


def open_named(name: str, options: Mapping[str, Any]) -> tuple[EmbeddingProvider, list[str]]:
    """Open a model by its name; also return what the user should know of how it was chosen.

    Args:
        name: of `veclab.load`.
        options: of `veclab.load`; what the provider does not know is an error, if it was given.

    Raises:
        InputError: an option does not go with the model.
        ModelUnavailable: no package brings such models, or the one that does is broken.
        What the provider raises.
    """
    whole, (name, cut) = name, split_cut(name)
    wanted = options.get("dimensions")
    if cut is not None and wanted not in (None, cut):
        raise InputError(f"{whole} has {cut} dimensions, not {wanted}: say it once")
    options = {**options, "dimensions": wanted or cut}
    if options["dimensions"] is not None and not options.get("normalize", True):
        raise InputError("shortened vectors have unit length: dimensions goes with normalize=True")
    prefix = prefix_of(name)
    which = prefix or (_WORDS if is_words(name) else _LOCAL)
    model = name if prefix is None else name[len(prefix) + 1 :]
    point = EntryPoint(which, OWN[which], GROUP) if which in OWN else installed().get(which)
    if point is None:
        known = ", ".join(f"{one}:" for one in sorted(installed()) if one not in (_LOCAL, _WORDS))
        raise ModelUnavailable(
            explain(whole)
            or f"no package here brings models called {which}: (there are {known}). Install the "
            f"one that does, or write one: docs/providers.md"
        )
    if not model:
        raise InputError(f"{name!r} names no model: write {which}:MODEL")
    made = _load(point)(model, **_accepted(point, name, options))
    provider, notes = made if isinstance(made, tuple) else (made, [])
    if not isinstance(provider, EmbeddingProvider):
        raise ModelUnavailable(
            f"{point.value}{_package(point)} gave a {type(provider).__name__} for {name}, not an "
            "EmbeddingProvider"
        )
    return provider, list(notes)


def _accepted(point: EntryPoint, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given; raise InputError for one that its opener has not."""
    given = {n: value for n, value in options.items() if value is not _DEFAULTS.get(n)}
    parameters = inspect.signature(_load(point)).parameters
    for option in given:
        if option not in parameters:
            if option == "base_url" and point.name in (_LOCAL, _WORDS):
                raise InputError(f"{name} runs here: base_url goes with names like openai:MODEL")
            what = _IS.get(point.name) or f"is a model of {point.name}"
            raise InputError(f"{name} {what}: {option} does not go with it")
    return given


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except VeclabError:
        raise
    except Exception as error:  # whatever a foreign package does when it is imported
        raise ModelUnavailable(
            f"the provider {point.name}{_package(point)} cannot be imported ({point.value}): "
            f"{type(error).__name__}: {error}"
        ) from error


def _package(point: EntryPoint) -> str:
    return "" if point.dist is None else f" of the package {point.dist.name}"
