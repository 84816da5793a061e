"""Is a file of vectors what its Space says? Embed a few of its texts again and compare."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.auditing.findings import SHOWN, Finding, rows
from veclab.auditing.scan import Scan, gather
from veclab.errors import VeclabError
from veclab.models.names import ENDPOINTS
from veclab.pipeline.prepare import OPTIONAL_STEPS, is_blank
from veclab.space import Recipe, Role, Space, require_same
from veclab.vectorfiles.source import VectorSource
from veclab.vectors import Vectors

# The same arithmetic gives cosines over 0.99999, bf16 over 0.999, int8 mostly over 0.95.
_SAME = 0.999
_NEAR = 0.95
_NEAR_INT8 = 0.9


def prove(source: VectorSource, scanned: Scan, sample: int) -> Finding:
    """Embed a sample of the texts with the model that the Space names.

    A share p of foreign vectors escapes with probability (1 - p) ** sample: with 64 texts, 4% for
    p = 5%. The cache is not asked: it may hold the very vectors that are in doubt.
    """
    space = source.about.space
    if space is None:
        return _not_proved("the file records no Space to check against")
    if space.quantization is not None:
        return _not_proved(f"the vectors were rounded to {space.quantization}")
    if not source.about.has_texts:
        return _not_proved("the file holds no texts to re-embed")
    if space.provider in ENDPOINTS:
        return _not_proved("the model runs at an endpoint: re-embedding would cost money")
    chosen = np.flatnonzero(scanned.usable)
    chosen = np.sort(np.random.default_rng(1).choice(chosen, min(sample, len(chosen)), False))
    texts = source.texts(chosen.tolist())
    kept = [i for i, text in enumerate(texts) if text and not is_blank(text)]
    if not kept:
        return _not_proved("the sampled rows have no text")
    chosen, words = chosen[kept], [texts[i] or "" for i in kept]
    recipe = source.about.recipe
    try:
        made = _embed(words, space, recipe)
    except VeclabError as error:
        return _not_proved(str(error).split(". ")[0])
    stored = gather(source, chosen)
    role, cosines = max(
        (
            (role, np.einsum("ij,ij->i", stored, vectors.array / _norm(vectors.array)))
            for role, vectors in made.items()
        ),
        key=lambda pair: float(np.median(pair[1])),
    )
    return _verdict(source, space, chosen, cosines.astype(np.float64), role, recipe)


def _norm(array: NDArray[np.float32]) -> NDArray[np.float32]:
    length: NDArray[np.float32] = np.linalg.norm(array, axis=1, keepdims=True)
    return length


def _not_proved(reason: str) -> Finding:
    return Finding(
        "proof",
        "note",
        f"not proved: {reason}",
        "The vectors were not checked against the model.",
        "",
        {"proved": None},
    )


def _embed(texts: list[str], space: Space, recipe: Recipe | None) -> dict[Role | None, Vectors]:
    """Return the texts embedded as the recipe says; in every role where no recipe tells which."""
    from veclab.model import load_for

    model = load_for(
        space,
        max_tokens=None if recipe is None else recipe.max_tokens,
        normalize=space.normalized,
        cache=False,
    )
    roles: list[Role | None] = [None] if recipe is None else [recipe.role]
    if recipe is None and space.prompts:
        roles += ["document", "query"]
    options: dict[str, Any] = {"on_empty": "skip"}
    if recipe is not None:
        steps = [label.split(".")[0] for label in recipe.prepare]
        options["prepare"] = [step for step in steps if step in OPTIONAL_STEPS]
        options["on_long"] = recipe.on_long
    made = {role: model.embed(texts, role=role, **options) for role in roles}
    require_same(space, next(iter(made.values())).space, names=("file", "model here"))
    return made


def _verdict(
    source: VectorSource,
    space: Space,
    chosen: NDArray[np.intp],
    cosines: NDArray[np.float64],
    role: Role | None,
    recipe: Recipe | None,
) -> Finding:
    low, middle = float(cosines.min()), float(np.median(cosines))
    int8 = recipe is not None and recipe.precision.startswith("int8")
    other = int((cosines < (_NEAR_INT8 if int8 else _NEAR)).sum())
    figures = {
        "proved": bool(low >= _SAME),
        "texts": len(cosines),
        "lowest_cosine": low,
        "median_cosine": middle,
        "other": other,
        "role": role,
    }
    found = (
        f"{len(cosines)} texts re-embedded with {space.model}: "
        f"cosine with the file at least {low:.4f}, median {middle:.4f}"
    )
    if recipe is None and space.prompts:
        found += f" (role {role or 'none'}: the file does not record the role)"
    if low >= _SAME:
        return Finding("proof", "ok", found, figures=figures)
    order = np.argsort(cosines, kind="stable")[:SHOWN]
    examples = rows(source, chosen[order], cosine=[float(cosines[i]) for i in order])
    if other:
        return Finding(
            "proof",
            "problem",
            f"{found}; {other} of {len(cosines)} vectors differ",
            "The file is not what its Space says: these rows come from another model, other "
            "settings, or other texts. Queries embedded with the Space's model do not find them.",
            "Re-embed the file's texts with `veclab embed`.",
            figures,
            examples,
        )
    return Finding(
        "proof",
        "warning",
        found,
        "Close, but not the same: lower precision (int8, for example), another version of text "
        "preparation, or slightly different texts. Ranks of near neighbors may shift.",
        "Fine for most uses; re-embed if small differences matter.",
        figures,
        examples,
    )
