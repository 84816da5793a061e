"""An audit: what is wrong, odd or good to know about a file of vectors.

Definitions and sources of the figures are at the functions that compute them: `geometry`
(effective rank, anisotropy, hubness), `mixed_models` (two models in one file), `reembedding`.
"""

from __future__ import annotations

import html
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veclab.auditing import findings as of_rows
from veclab.auditing import geometry_findings as geometry
from veclab.auditing.findings import SEVERITIES, Finding, Severity
from veclab.auditing.scan import Scan, neighborhood, scan, text_digests
from veclab.errors import InputError
from veclab.vectorfiles.source import About, ArrayVectors, VectorSource, open_vectors
from veclab.vectors import Vectors

SAMPLE = 4096
PROOF_TEXTS = 64


@dataclass(frozen=True, slots=True, repr=False)
class Audit:
    """What an audit found.

    Attributes:
        about: what was looked into.
        findings: in a fixed order.
        sample: how many distinct vectors at most stood for all where a figure says so.
        seconds: wall time.
    """

    about: About
    findings: tuple[Finding, ...]
    sample: int
    seconds: float

    @property
    def worst(self) -> Severity:
        """The worst severity among the findings."""
        return max((f.severity for f in self.findings), key=SEVERITIES.index, default="ok")

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of that name; raises KeyError where it was not looked for."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def count(self) -> dict[Severity, int]:
        """Return how many findings of each severity."""
        counts = Counter(f.severity for f in self.findings)
        return {severity: counts[severity] for severity in SEVERITIES}

    def __str__(self) -> str:
        about = self.about
        head = f"{about.name}: {about.rows:,} vectors of {about.dimensions:,} dimensions"
        lines = [f"{f.severity:>8}  {f.name}: {f.found}" for f in self.findings]
        return "\n".join([head, *lines])

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {s}" for s, n in reversed(self.count().items()) if n)
        return f"<Audit of {self.about.name}: {counts}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks; names and findings are escaped, never markup."""
        body = "".join(
            f"<tr><td>{f.severity}</td><td>{html.escape(f.name)}</td>"
            f"<td>{html.escape(f.found)}</td><td>{html.escape(f.do)}</td></tr>"
            for f in self.findings
        )
        return (
            f"<p>{html.escape(repr(self))}</p><table><thead><tr><th></th><th>finding</th>"
            f"<th>found</th><th>what to do</th></tr></thead><tbody>{body}</tbody></table>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        about = self.about
        return {
            "name": about.name,
            "column": about.column,
            "rows": about.rows,
            "dimensions": about.dimensions,
            "dtype": about.dtype,
            "space": about.space and about.space.to_dict(),
            "space_id": about.space and about.space.id,
            "worst": self.worst,
            "sample": self.sample,
            "seconds": self.seconds,
            "findings": [asdict(f) for f in self.findings],
        }


def audit(
    vectors: Vectors | str | Path | VectorSource,
    *,
    prove: bool = True,
    column: str | None = None,
    text_column: str | Sequence[str] | None = None,
    sample: int = SAMPLE,
) -> Audit:
    """Look into vectors, of this library or any other.

    Norms, faults, duplicates, rank and anisotropy are exact over all rows. Neighbors (hubness,
    near-duplicates, outliers) and mixed origins are looked at in a random sample of distinct
    vectors, always the same one; outliers are sought among all rows. A file is read three times,
    and 24 bytes of each row are kept.

    Args:
        vectors: Vectors, or the path of a file of vectors or a store of another tool; see
            `veclab.vectorfiles.source.open_vectors`.
        prove: embed 64 of the texts again with the model that the Space names.
        column: where a file has several columns of vectors, which.
        text_column: where a file has several columns of strings, which holds the texts;
            several are joined, with a blank line between them.
        sample: how many distinct vectors stand for all where pairs are compared; time grows with
            it.

    Raises:
        InputError: the file cannot be read, holds no vectors, or vectors of different lengths.
    """
    start = time.perf_counter()
    if sample < 100:
        raise InputError(f"the sample must be at least 100, not {sample}")
    if isinstance(vectors, Vectors):
        source: VectorSource = ArrayVectors.of(vectors)
    elif isinstance(vectors, (str, Path)):
        source = open_vectors(vectors, column=column, text_column=text_column)
    else:
        source = vectors
    if not source.about.rows or not source.about.dimensions:
        raise InputError(f"{source.about.name} holds no vectors")
    found = _findings(source, scan(source), prove, sample)
    return Audit(source.about, tuple(found), sample, round(time.perf_counter() - start, 3))


def _findings(source: VectorSource, scanned: Scan, prove: bool, sample: int) -> list[Finding]:
    found = [of_rows.space_finding(source)]
    if prove:
        from veclab.auditing.reembedding import prove as embed_again

        found.append(embed_again(source, scanned, PROOF_TEXTS))
    found += of_rows.unusable(source, scanned)
    found.append(of_rows.norms(source, scanned))
    if scanned.moments.count:
        texts = text_digests(source)
        found.append(of_rows.duplicates(source, scanned, texts))
        if source.about.has_texts:
            found.append(of_rows.same_text(source, scanned, texts))
    found.append(of_rows.truncated(source, scanned))
    if (unknown := of_rows.unknown_tokens(source)) is not None:
        found.append(unknown)
    if scanned.moments.count >= 2:
        found.append(geometry.rank(source, scanned))
        found.append(geometry.anisotropy(scanned))
        near = neighborhood(source, scanned, sample)
        if near is not None:
            found.append(geometry.near_duplicates(source, near))
            found.append(geometry.hubness(source, near))
            found.append(geometry.outliers(source, scanned, near))
            found.append(geometry.origins(source, scanned, near))
    return found
