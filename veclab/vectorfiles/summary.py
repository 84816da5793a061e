"""What a file of vectors holds, told in flat memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.vectorfiles.checked import as_facts, facts_in
from veclab.vectorfiles.files import open_parquet, read, report_of, space_of, vector_blocks
from veclab.vectorfiles.foreign import refuse_foreign
from veclab.vectorfiles.schema import OWN_COLUMNS, RECIPE_KEY
from veclab.vectorfiles.sidecar import has_sidecar


@dataclass(frozen=True, slots=True)
class Summary:
    """What a file of vectors holds. `truncated` is None where the file does not tell."""

    space: Space
    recipe: Recipe | None
    rows: int
    bytes: int
    norm_min: float
    norm_mean: float
    norm_max: float
    truncated: int | None
    columns: tuple[str, ...]
    report: Report | None

    @property
    def norms(self) -> str:
        """The norms in words."""
        return f"{self.norm_min:.6f} to {self.norm_max:.6f}, mean {self.norm_mean:.6f}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "space": self.space.to_dict(),
            "space_id": self.space.id,
            "recipe": self.recipe and json.loads(self.recipe.to_json()),
            "report": self.report and self.report.to_dict(),
            "columns": list(self.columns),
        }


def summarize(path: str | Path) -> Summary:
    """Read through a file of vectors in flat memory; raises InputError as `read` does."""
    path = Path(path)
    refuse_foreign(path)
    if path.suffix == ".npz" or has_sidecar(path):
        vectors = read(path)
        blocks = iter([(vectors.array, vectors.truncated)])
        return _summary(path, vectors.space, None, None, (), blocks)
    with open_parquet(path) as file:
        metadata = file.schema_arrow.metadata or {}
        own = tuple(n for n in file.schema_arrow.names if n not in OWN_COLUMNS)
        recipe, report = metadata.get(RECIPE_KEY), report_of(file, path)
        space = space_of(file, path)
        blocks = (
            (array, as_facts(batch["truncated"], "truncated", path))
            for array, batch in vector_blocks(file, path, space.dimensions, ["truncated"])
        )
        made_by = None if recipe is None else facts_in(path, Recipe.from_json, recipe)
        return _summary(path, space, made_by, report, own, blocks)


def _summary(
    path: Path,
    space: Space,
    recipe: Recipe | None,
    report: Report | None,
    columns: tuple[str, ...],
    blocks: Iterator[tuple[Any, Any]],
) -> Summary:
    norms, truncated, known = [np.zeros(0)], 0, True
    for array, cut in blocks:
        norms.append(np.linalg.norm(array.astype(np.float64), axis=1))
        known = known and cut is not None
        truncated += 0 if cut is None else int(cut.sum())
    every = np.concatenate(norms)
    low, mean, high = (
        (float(every.min()), float(every.mean()), float(every.max())) if len(every) else (0, 0, 0)
    )
    size = path.stat().st_size
    return Summary(
        space,
        recipe,
        len(every),
        size,
        low,
        mean,
        high,
        truncated if known else None,
        columns,
        report,
    )
