"""Model: a provider with a cache, and what a user does with it."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, Self, cast

from veclab.cache import Cache
from veclab.errors import CacheError, InputError
from veclab.hints import missing_attribute, refuse_unknown
from veclab.languages import foreign_note
from veclab.models.families import missing_prompt
from veclab.models.names import DEFAULT_MODEL
from veclab.pipeline.collect import Gathered
from veclab.pipeline.embed import embed_block
from veclab.pipeline.prepare import Preparation
from veclab.pipeline.run import OnEmpty, Run
from veclab.provider import EmbeddingProvider
from veclab.report import Report
from veclab.space import OnLong, Recipe, Role, Space, require_same
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.models.loading import EngineName, Precision


class Model:
    """Turns texts into Vectors. `veclab.load` makes one; so does `Model` around a provider.

    Attributes:
        provider: what computes.
        cache: where vectors are kept, None when the model runs without one.
        notes: what happened at loading that the user should know; repeated in every report.
    """

    def __init__(
        self,
        provider: EmbeddingProvider,
        cache: Cache | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if not isinstance(provider, EmbeddingProvider):
            raise InputError(
                f"a model is made of an EmbeddingProvider, not of a {type(provider).__name__}: "
                "derive its class from veclab.EmbeddingProvider (docs/providers.md)"
            )
        self.provider = provider
        self.cache = cache
        self.notes = list(dict.fromkeys([*notes, *provider.notes]))
        self._loading: tuple[str, dict[str, Any]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle how it was loaded, never weights or keys; another Space there is an error."""
        if self._loading is None:
            return Model, (self.provider, self.cache, self.notes)
        name, options = self._loading
        return _load_again, (name, options, self.space.to_json())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the model itself: it is shared, as it does not change."""
        return self

    @property
    def space(self) -> Space:
        """What this model's vectors may be compared with."""
        return self.provider.space

    @property
    def max_tokens(self) -> int | None:
        """The longest text it reads, special tokens included; None for no limit."""
        return self.provider.limits.max_tokens

    def __getattr__(self, name: str) -> Never:
        """Say what the method of another library is called here."""
        raise missing_attribute("Model", name)

    def __repr__(self) -> str:
        return f"<Model {self.space}, reads {self.max_tokens or 'any number of'} tokens>"

    def start(
        self,
        *,
        role: Role | None = None,
        on_long: OnLong = "truncate",
        on_empty: OnEmpty = "skip",
        prepare: Iterable[str] = (),
        max_cost: float | None = None,
        on_done: Callable[[int], None] | None = None,
    ) -> Run:
        """Start a run: its settings, checked, and its report. See `embed` for their meaning.

        `veclab.pipeline.embed.embed_block` takes it on, block by block; `finish` closes it.
        """
        _choose("role", role, (None, "query", "document"))
        _choose("on_long", on_long, ("truncate", "error", "split"))
        _choose("on_empty", on_empty, ("error", "skip"))
        preparation = Preparation.of([prepare] if isinstance(prepare, str) else prepare)
        self.provider.begin()
        recipe = Recipe(
            space=self.space,
            role=role if self.provider.reads_role(role) else None,
            precision=self.provider.precision,
            tokenizer=self.provider.tokenizer_digest,
            prepare=preparation.labels,
            max_tokens=self.max_tokens,
            on_long="split" if on_long == "split" else "truncate",
        )
        if max_cost is not None and not max_cost >= 0:
            raise InputError(f"max_cost must be a number of dollars, 0 or more, not {max_cost!r}")
        run = Run(self.provider, recipe, preparation, on_long, on_empty, self.cache, max_cost)
        if on_done is not None:
            run.on_done = on_done
        run.report.note(*self.notes)
        self.provider.pop_warnings()  # what a run that failed has left
        prompts = dict(self.space.prompts)
        if role is None and {"query", "document"} & set(prompts):
            used = "its default was used" if "default" in prompts else "none was used"
            run.report.note(
                f"{self.space.model} has prompts for queries and documents and {used}: "
                "give role='query' or role='document' (--role)"
            )
        if not self.space.prompts and (said := missing_prompt(self.space.model, role)):
            run.report.note(said)
        if self.cache is not None:
            for key in (recipe.whole_key, recipe.cut_key):
                self.cache.describe(key, recipe.to_json())
            old = recipe.before_configuration
            if old is not None and self.cache.holds(old.whole_key):
                run.report.note(
                    f"the cache has vectors of {self.space.model} from before a Space held the "
                    "configuration of the model; they may be those of another one and are not "
                    "used (`veclab cache prune --model 'space version 1'` frees their disk space)"
                )
        return run

    def embed(
        self,
        texts: str | Iterable[str],
        *,
        ids: Iterable[Any] | None = None,
        role: Role | None = None,
        on_long: OnLong = "truncate",
        on_empty: OnEmpty = "skip",
        prepare: Iterable[str] = (),
        max_cost: float | None = None,
        on_done: Callable[[int], None] | None = None,
        **unknown: Never,
    ) -> Vectors:
        """Embed texts; the order is kept, and every distinct text is computed once.

        Args:
            texts: one text, or an iterable of texts: list, generator, numpy, pandas or Polars
                series, Arrow array.
            ids: as many names; by default the index of a pandas series, else the positions
                "0", "1", ...
            role: `query` or `document`, for models with a prompt for each.
            on_long: what to do with a text over the model's limit: read its beginning and
                report it (`truncate`), refuse (`error`), or embed it in windows and pool them
                by their token counts (`split`).
            on_empty: what to do with a text that is missing or blank, or of which the model
                knows no token: leave its row out, report it and warn (`skip`), or refuse
                (`error`).
            prepare: further steps of text preparation: `whitespace`, `markup`, `mojibake`.
            max_cost: dollars; the run stops before a request that would cost more in sum.
            on_done: called with the number of texts finished since the last call.

        Returns:
            Vectors with a float32 array (n, dim) and a Report.

        Raises:
            InputError: a text is not a string, an option is unknown, ids are not as many.
            EmptyText, TextTooLong: the policy is `error`.
            BadVectors: the model gave NaN, zeros, or another shape.
            CacheError: the cache cannot be written.
            CostTooHigh: going on would cost more than `max_cost`.
            ProviderError: the model's endpoint refused for good, or failed once too often.
        """
        refuse_unknown("embed", unknown)
        run = self.start(
            role=role,
            on_long=on_long,
            on_empty=on_empty,
            prepare=prepare,
            max_cost=max_cost,
            on_done=on_done,
        )
        ids = _index(texts) if ids is None else ids
        given = _values(texts)
        gathered = Gathered(run.space, given)
        for block_ids, block_texts in _blocks(given, ids, self.provider.limits.block_texts):
            gathered.add(embed_block(run, block_ids, block_texts))
        report = self.finish(run)
        if report.left_out:  # the caller may count on a row for each text
            warnings.warn(report.left_out, stacklevel=2)
        return gathered.vectors(report, run.space)

    def finish(self, run: Run) -> Report:
        """Close a run's report: its time, and what the provider and the cache have to say."""
        run.report.seconds = round(time.perf_counter() - run.started, 4)
        run.report.note(*self.provider.pop_warnings())
        if said := foreign_note(self.space.model, self.provider.languages, run.sample):
            run.report.note(said)
        if run.report.cached and not run.report.requests and self.provider.unchecked:
            run.report.note(self.provider.unchecked)
        if self.cache is not None:
            run.report.note(*self.cache.notes)
        return run.report

    def count_tokens(self, texts: str | Iterable[str], *, role: Role | None = None) -> list[int]:
        """Count the tokens of each text as given, special tokens and the role's prompt included."""
        return [one.tokens for one in self.provider.tokenize(list(_values(texts)), role)]


def load(
    name: str = DEFAULT_MODEL,
    *,
    dimensions: int | None = None,
    base_url: str | None = None,
    engine: EngineName | None = None,
    precision: Precision | None = None,
    threads: int | None = None,
    device: str | None = None,
    max_tokens: int | None = None,
    normalize: bool = True,
    cache: bool | str | Path | Cache = True,
    **unknown: Never,
) -> Model:
    """Load a model by name or path.

    Args:
        name: of a Sentence Transformers model, or the path of its folder; `openai:` and the name
            of a model of OpenAI or of another endpoint of its kind; `glove-6b-50d`, or the path
            of a file of word vectors (GloVe, word2vec, fastText `.vec`). `NAME@128` is the same
            as dimensions=128.
        dimensions: shorter vectors than the model's own: their first numbers, at unit length.
        base_url: of an OpenAI-compatible endpoint; by default OPENAI_BASE_URL, else OpenAI's own.
        engine: `openvino` or `torch`; by default an accelerator through torch where there is one,
            else OpenVINO where it is installed (VECLAB_ENGINE sets another default). OpenVINO
            converts a model once, which takes half a minute, and keeps it in VECLAB_HOME.
        precision: of the arithmetic: `f32`, `bf16`, `f16` (accelerators), `int8` (OpenVINO); by
            default bf16 where the hardware has it, f16 on an accelerator that has not, else f32.
        threads: processor cores to use; by default all that this process may use.
        device: `cpu`, `cuda`, `mps`; by default the best there is.
        max_tokens: read fewer tokens than the model could.
        normalize: scale vectors to unit length.
        cache: True for the user's own, False for none, or where it is. Static models and word
            vectors use only one that is named: they are cheap, and a cache takes room.

    Raises:
        InputError: an option is unknown, or does not go with this model or with another.
        ModelUnavailable: it is not on this machine and cannot be downloaded, or it is damaged.
        MissingExtra: the part that runs it is not installed.
        ProviderError: the endpoint did not report the dimensions of a model unknown here.
    """
    refuse_unknown("load", unknown)
    if max_tokens is not None and max_tokens < 3:
        raise InputError("max_tokens must be 3 or more: a start, a text and an end")
    if dimensions is not None and dimensions < 1:
        raise InputError(f"dimensions must be 1 or more, not {dimensions}")
    from veclab.models.providers import open_named

    options: dict[str, Any] = {
        "dimensions": dimensions,
        "base_url": base_url,
        "engine": engine,
        "precision": precision,
        "threads": threads,
        "device": device,
        "max_tokens": max_tokens,
        "normalize": normalize,
    }
    provider, notes = open_named(name, options)
    store, more = open_cache(
        False if cache is True and not provider.limits.worth_keeping else cache
    )
    model = Model(provider, store, notes + more)
    model._loading = name, options | {"cache": cache}
    return model


def _load_again(name: str, options: dict[str, Any], space: str) -> Model:
    """Load a model that was pickled.

    Raises:
        SpaceMismatch: what the name means here gives other vectors.
    """
    model = load(name, **options)
    require_same(Space.from_json(space), model.space, names=("pickled model", "model here"))
    return model


def load_for(
    space: Space, *, name: str | None = None, base_url: str | None = None, **options: Any
) -> Model:
    """Load the model that makes vectors of a Space, for instance of a file's.

    Nothing is fetched, and no endpoint is used for the first time, on the word of a file.

    Args:
        space: of `Vectors.space`.
        name: what is written beside it, where the Space's own name does not tell (a folder).
        base_url: confirms an endpoint that only the Space names.
        options: of `load`.

    Raises:
        ModelUnavailable: the model is not on this machine, or runs at an endpoint that this user
            has never used: name it yourself, with `load`.
        And what `load` raises.
    """
    from veclab.models.named import named_model

    name, base_url = named_model(space, name, base_url)
    model = load(name, base_url=base_url, **options)
    if options.get("dimensions") is None and model.space.dimensions != space.dimensions:
        model = load(name, base_url=base_url, **options | {"dimensions": space.dimensions})
    return model


def open_cache(cache: bool | str | Path | Cache) -> tuple[Cache | None, list[str]]:
    """Return the cache, or None and the reason why there is none."""
    if cache is False:
        return None, []
    if isinstance(cache, Cache):
        return cache, []
    try:
        return Cache.open(None if cache is True else Path(cache)), []
    except CacheError as error:
        note = f"running without a cache: {error}"
        warnings.warn(note, stacklevel=3)
        return None, [note]


def _choose(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        shown = ", ".join("none" if k is None else repr(k) for k in known)
        raise InputError(f"{name} cannot be {value!r}; choose from {shown}")


def _blocks(
    texts: Iterable[Any], ids: Iterable[Any] | None, size: int
) -> Iterator[tuple[list[str], list[str | None]]]:
    """Cut the input into blocks of (ids, texts), checking that texts are texts."""
    stream = iter(texts)
    names = None if ids is None else iter(ids)
    start = 0
    while block := list(itertools.islice(stream, size)):
        checked: list[str | None] = block
        if set(map(type, block)) != {str}:
            checked = [_text(start + i, value) for i, value in enumerate(block)]
        if names is None:
            block_ids = list(map(str, range(start, start + len(block))))
        else:
            block_ids = [str(name) for name in itertools.islice(names, len(block))]
            if len(block_ids) != len(block):
                raise InputError(f"there are more texts than ids ({start + len(block_ids)})")
        yield block_ids, checked
        start += len(block)
    if names is not None and next(names, None) is not None:
        raise InputError("there are more ids than texts")


def _values(texts: str | Iterable[Any]) -> Iterable[Any]:
    """Return the values of whatever holds them: Arrow arrays give scalars when iterated."""
    if isinstance(texts, str):
        return [texts]
    if isinstance(texts, (bytes, bytearray, dict)) or hasattr(texts, "columns"):
        raise InputError(
            f"a {type(texts).__name__} is not a list of texts; give one column or a list of strings"
        )
    if hasattr(texts, "to_pylist"):
        return cast(Iterable[Any], texts.to_pylist())
    if not isinstance(texts, Iterable):
        raise InputError(f"texts must be a string or an iterable of strings, not {texts!r:.80}")
    return texts


def _index(texts: object) -> Iterable[Any] | None:
    """Return the index of a pandas series, which names its texts; None for anything else."""
    index = getattr(texts, "index", None)
    return index if type(index).__module__.split(".")[0] == "pandas" else None


def _text(position: int, value: Any) -> str | None:
    if isinstance(value, str):
        return value
    # Data frames say "missing" with None, NaN or their own NA; the empty-text policy decides.
    missing = value is None or type(value).__name__ in ("NAType", "NaTType")
    if missing or (isinstance(value, float) and math.isnan(value)):
        return None
    raise InputError(
        f"text {position} is of type {type(value).__name__}, not a string: {value!r:.80}"
    )
