"""Where a map comes from and how far it is to be believed, in lines for people."""

from __future__ import annotations

import datetime
import importlib.metadata
from pathlib import Path

from veclab.maps.fidelity import Honesty
from veclab.maps.neighbors import Neighbors
from veclab.maps.projection import Projection
from veclab.space import Recipe
from veclab.vectorfiles.checked import facts_in
from veclab.vectorfiles.files import open_parquet
from veclab.vectorfiles.schema import RECIPE_KEY
from veclab.vectors import Vectors


def of_file(path: Path) -> list[tuple[str, str]]:
    """What a file of vectors says of how they were made, where it says so."""
    facts = [("file", path.name)]
    if path.suffix != ".parquet":
        return facts
    with open_parquet(path) as file:
        text = (file.schema_arrow.metadata or {}).get(RECIPE_KEY)
    if text is not None:
        recipe = facts_in(path, Recipe.from_json, text)
        parts = [
            f"role {recipe.role}" if recipe.role else "no role",
            recipe.precision,
            f"at most {recipe.max_tokens} tokens" if recipe.max_tokens else "no token limit",
            f"longer texts: {recipe.on_long}",
            f"prepared: {', '.join(recipe.prepare) or 'as they are'}",
        ]
        facts.append(("recipe", "; ".join(parts)))
    return facts


def provenance(
    vectors: Vectors,
    different: int,
    found: Neighbors,
    projection: Projection,
    honesty: Honesty,
    texts_read: int,
) -> list[tuple[str, str]]:
    """Where the map comes from, in lines for people."""
    n = len(vectors)
    facts = [
        ("vectors", f"{n:,} of {vectors.dimensions} dimensions"),
        ("space", str(vectors.space)),
    ]
    if different < n:
        facts.append(("different", f"{different:,}; equal vectors lie in the same place"))
    facts += projection.facts
    if honesty.mean_kept is not None:
        facts.append(
            (
                "neighbors kept",
                f"{honesty.mean_kept:.1%} of the true {honesty.k} nearest are among the "
                f"{honesty.k} nearest on the map",
            )
        )
    if honesty.trustworthiness is not None:
        on = "" if honesty.rows == different else f", measured on {honesty.rows:,} points"
        facts.append(("trustworthiness", f"{honesty.trustworthiness:.3f} of 1{on}"))
    if found.recall < 1:
        facts.append(
            (
                "true neighbors",
                f"found by nearest-neighbor descent, {found.recall:.1%} of them, measured on 1,000 "
                "points",
            )
        )
    if vectors.texts is None:
        facts.append(("note", "the file keeps no texts, so there are no labels"))
    elif texts_read < n:
        facts.append(("labels", f"from the words of {texts_read:,} of the texts"))
    facts += [
        ("made", f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"),
        ("veclab", importlib.metadata.version("veclab")),
    ]
    return facts
