"""The model of a store: the one that was named, else its own; never one of another Space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from veclab.errors import SpaceMismatch
from veclab.hints import typed
from veclab.model import Model, load, load_for
from veclab.space import Space, require_same

if TYPE_CHECKING:
    from veclab.store.state import State


def load_model(given: Model | str | None, state: State | None, loading: Mapping[str, Any]) -> Model:
    """Load what was named; else what made the store's vectors; for a new store the default."""
    if isinstance(given, Model):
        return given
    if given is not None:
        return load(given, **loading)
    if state is None:
        return load(**loading)
    return load_for(state.live.space, name=state.live.model, **loading)


def require_model(name: str, state: State, space: Space, *, to_search: bool = False) -> None:
    """Raise SpaceMismatch, with what to do about it, for a model of another Space.

    One with a bridge to the store may search it, and do nothing else.
    """
    stored = state.live.space
    if state.bridge is not None and state.bridge.source.same_as(space):
        if to_search:
            return
        raise SpaceMismatch(
            f"{space} has a bridge to the store {name}, by which it may search it and no more: for "
            f"anything else leave -m out and the store's own model is used, {stored}, or change "
            f"that: {typed('migrate', '--store', name, '-m', 'NAME')}"
        )
    try:
        require_same(stored, space, names=("store", "query"))
    except SpaceMismatch as error:
        raise SpaceMismatch(
            f"{error}\nFor the store {name}: leave -m out and its own model is used, or change its "
            f"model: {typed('migrate', '--store', name, '-m', 'NAME')}"
        ) from None
