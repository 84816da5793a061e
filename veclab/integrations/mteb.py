"""A veclab model in MTEB: `mteb.evaluate(MTEBModel(veclab.load()), tasks)`.

MTEB (Muennighoff et al. 2023, arXiv:2210.07316; github.com/embeddings-benchmark/mteb) asks a
model for vectors of batches and says which are queries and which are documents. Here both go the
whole way through veclab: cache, limits, prompts, checks. So a benchmark that was stopped goes on,
and two tasks that share a corpus embed it once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import BadVectors, InputError, MissingExtra
from veclab.model import Model
from veclab.pipeline.prepare import is_blank
from veclab.report import Report, group_notes
from veclab.space import OnLong, Role

# What a blank text is embedded as: MTEB needs a vector for every text.
_BLANK = "."


class MTEBModel:
    """What MTEB calls an encoder, around a veclab Model.

    Attributes:
        model: computes the vectors.
        report: what happened to all texts so far: how many came from the cache, were cut, ...
    """

    def __init__(
        self, model: Model, *, role: Role | None = None, on_long: OnLong = "truncate"
    ) -> None:
        """Wrap a model.

        Args:
            model: of `veclab.load`.
            role: prompt for texts that MTEB compares as equals (STS, classification, clustering).
            on_long: what to do with texts over the limit, as in `Model.embed`.

        Raises:
            MissingExtra: mteb is not installed.
        """
        self.model = model
        self.role = role
        self.on_long = on_long
        self.report = Report()
        self.mteb_model_meta = _meta(model, role, on_long)

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any = None,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> NDArray[np.float32]:
        """Embed all texts of MTEB's batches, in order: float32 (n, dim).

        Args:
            inputs: batches, each with its texts under "text".
            task_metadata, hf_split, hf_subset: not needed: a vector depends on text and role.
            prompt_type: `query` or `document`; the model's prompt for it is used if it has one.
            kwargs: `batch_size` and `show_progress_bar` are ignored: veclab chooses its batches.

        Raises:
            BadVectors: an endpoint refused a text.
            InputError: a batch holds no texts (images, say), or a `precision` is asked for.
            Whatever `Model.embed` raises.
        """
        if kwargs.get("precision") not in (None, "float32"):
            raise InputError(f"precision {kwargs['precision']!r} is not supported; use float32")
        texts: list[str] = []
        for batch in inputs:
            if "text" not in batch:
                raise InputError(f"veclab embeds texts, and this batch holds {sorted(batch)}")
            texts += batch["text"]
        if blank := sum(map(is_blank, texts)):
            warnings.warn(
                f"{blank:,} blank text(s) of {_name(task_metadata)}: MTEB needs a vector for "
                f"each, so they are embedded as {_BLANK!r}",
                stacklevel=2,
            )
            texts = [_BLANK if is_blank(text) else text for text in texts]
        role = self._role(prompt_type)
        vectors = self.model.embed(texts, role=role, on_long=self.on_long, on_empty="error")
        if vectors.report is not None:
            self.report.add(vectors.report)
        if len(vectors) != len(texts):
            raise BadVectors(
                f"{len(texts) - len(vectors):,} text(s) of {_name(task_metadata)} were refused, "
                f"and MTEB needs a vector for each: {'; '.join(group_notes(self.report.notes))}"
            )
        return vectors.array

    def _role(self, prompt_type: Any) -> Role | None:
        """Return the role in veclab's words; None where the model has no prompt for it."""
        asked = getattr(prompt_type, "value", prompt_type)
        if asked is None:
            return self.role
        if asked not in ("query", "document"):
            raise InputError(f"MTEB asks for the prompt type {asked!r}; known are query, document")
        role: Role = "query" if asked == "query" else "document"
        return role if role in dict(self.model.space.prompts) else None

    def similarity(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """Return the cosine of each of the first with each of the second: float32 (n, m)."""
        scores: NDArray[np.float32] = _unit(embeddings1) @ _unit(embeddings2).T
        return scores

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """Return the cosine of each of the first with its partner: float32 (n,)."""
        scores: NDArray[np.float32] = np.einsum(
            "ij,ij->i", _unit(embeddings1), _unit(embeddings2), dtype=np.float64
        ).astype(np.float32)
        return scores


def _unit(values: Any) -> NDArray[np.float32]:
    """Scale to unit length; MTEB may hand back zeros or other types than it was given."""
    array = np.asarray(values, dtype=np.float32)
    norms = np.linalg.norm(array, axis=1, keepdims=True)
    return (array / np.where(norms > 0, norms, 1)).astype(np.float32)


def _name(task_metadata: Any) -> str:
    return str(getattr(task_metadata, "name", "a task"))


def _meta(model: Model, role: Role | None, on_long: OnLong) -> Any:
    """Return what MTEB files results under.

    The revision is the id of the recipe: other weights, prompts, limits or precision never read
    each other's results.
    """
    try:
        from mteb.models.model_meta import ModelMeta, ScoringFunction
    except ImportError:
        raise MissingExtra("mteb", "the MTEB bridge") from None
    space = model.space
    name = space.model if space.model.count("/") == 1 else f"veclab/{space.model.strip('/')}"
    return ModelMeta.create_empty(
        overwrites={
            "name": name.replace(" ", "_"),
            "revision": model.start(role=role, on_long=on_long).recipe.id,
            "max_tokens": model.max_tokens,
            "embed_dim": space.dimensions,
            "similarity_fn_name": ScoringFunction.COSINE,
            "use_instructions": bool(space.prompts),
        }
    )
