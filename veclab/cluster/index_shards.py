"""Shards into a store: embedded side by side, written by one process in one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from veclab.cluster.embed_shards import embed_shards
from veclab.cluster.inputs import MANIFEST
from veclab.cluster.manifest import Manifest
from veclab.cluster.places import Place, open_place
from veclab.errors import InputError
from veclab.models.names import DEFAULT_MODEL
from veclab.space import Space, require_same
from veclab.store.index import Indexed, index_intake
from veclab.store.intake import Block, Intake, Reading, vectors_intake
from veclab.store.model_choice import require_model

if TYPE_CHECKING:
    from veclab.store.store import Store


def index_shards(
    store: Store,
    input: str,
    vectors: str,
    *,
    model: str | None = None,
    language: str | None = None,
    on_done: Callable[[int], None] | None = None,
    **options: Any,
) -> tuple[Indexed, Manifest]:
    """Embed shards of texts, and bring a store up to date with their vectors.

    Args:
        store: of `Store.open(path, create=True)`.
        input: a folder, a glob or an address of shards.
        vectors: where their vectors go, and stay: an index that is made anew, or a run that was
            killed, takes them from there.
        model: its name; by default the store's own.
        language: for stemming words; by default found from the texts.
        on_done: called with the number of vectors taken in since the last call.
        options: of `embed_shards`.

    Returns:
        What changed in the store, and what became of each shard. Where shards were set aside,
        nothing is removed from the store: their documents may be there from before.

    Raises:
        What `embed_shards` and `veclab.store.index.index` raise.
    """

    def check(space: Space) -> None:
        if store.exists:
            require_model(store.place.name, store.state, space)

    if model is None:
        live = store.state.live if store.exists else None
        model = DEFAULT_MODEL if live is None else live.model or live.space.model
    manifest = embed_shards(
        input, vectors, model=model, as_documents=True, on_space=check, **options
    )
    names = sorted(name for name, facts in manifest.shards.items() if facts["state"] == "done")
    if not names:
        raise InputError(f"none of the shards of {input} could be used: {manifest.failed}")
    intake = vectors_of(
        open_place(vectors), names, manifest.job.source, complete=not manifest.failed,
        on_done=on_done,
    )  # fmt: skip
    return index_intake(store, intake, language), manifest


def index_vectors(
    store: Store,
    vectors: str,
    *,
    language: str | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Indexed:
    """Bring a store up to date with shards of vectors; nothing is embedded.

    Args:
        store, language, on_done: as in `index_shards`.
        vectors: what `embed_shards` wrote to.
    """
    place = open_place(vectors)
    manifest = Manifest.of_place(place)
    if manifest is None:
        raise InputError(f"{vectors} holds no {MANIFEST}: it is not what veclab wrote shards to")
    names = sorted(name for name, facts in manifest.shards.items() if facts["state"] == "done")
    if not names:
        raise InputError(f"{vectors} holds no shard that is done")
    complete = manifest.state == "complete" and not manifest.failed
    intake = vectors_of(place, names, manifest.job.source, complete=complete, on_done=on_done)
    return index_intake(store, intake, language)


def holds_shards_of_vectors(address: str) -> bool:
    """Return whether `embed_shards` wrote there."""
    return open_place(address).entry(MANIFEST) is not None


def vectors_of(
    place: Place,
    names: Sequence[str],
    source: str,
    *,
    complete: bool,
    on_done: Callable[[int], None] | None = None,
) -> Intake:
    """Return shards of vectors as one input of a store, read one after the other.

    Args:
        place, names: where they lie.
        source: what they are called in the store: where their texts lie.
        complete: whether what the store has from there and they have not is gone.
        on_done: called with the number of vectors read since the last call.
    """
    with place.fetched(names[0]) as path:
        first = vectors_intake(path)
    assert first.space is not None
    space = first.space

    def blocks(state: Reading) -> Iterator[Block]:
        for name in names:
            with place.fetched(name) as path:
                shard = vectors_intake(path)
                assert shard.space is not None
                require_same(space, shard.space, names=(names[0], name))
                if list(shard.own) != list(first.own):
                    raise InputError(f"{name} has other columns than {names[0]}")
                try:
                    for block in shard.blocks(state):
                        yield block
                        if on_done is not None:
                            on_done(len(block.passages))
                except InputError as error:
                    raise InputError(str(error).replace(str(path), name)) from None

    notes = [] if complete else ["some shards were set aside: nothing was removed from the store"]
    return Intake(
        place.address, source, first.own, blocks, complete, needs_model=False, space=space,
        notes=notes,
    )  # fmt: skip
