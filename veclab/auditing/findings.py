"""Turning an audit's figures into findings: what was found, what it means, what to do.

The limits between "ok" and worse are this module's. They were chosen so that vectors of a good
model over real texts (`docs/audit.md` has them) raise no warning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from veclab.auditing.mixed_models import norm_groups
from veclab.auditing.scan import Scan, cosines, pairs_that_differ
from veclab.vectorfiles.source import VectorSource

Severity = Literal["ok", "note", "warning", "problem"]
SEVERITIES: tuple[Severity, ...] = ("ok", "note", "warning", "problem")

# Vectors count as unit length within this: float16 rounds to 1 part in 2,000.
_UNIT = 2e-3
SHOWN = 3
# Texts with several vectors that are looked at: enough to be sure, few enough to be quick.
_CONFLICTS = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an audit looked at.

    Attributes:
        name: a short label, the same in every version.
        severity: `ok`, `note` (good to know), `warning` (search suffers), `problem` (search is
            wrong, or will be).
        found: the number, in words.
        means: what that means for search; "" where all is well.
        do: what to do about it; "" for nothing.
        figures: the numbers, for scripts.
        examples: rows it is about, each with `id` and `text` where there is one.
    """

    name: str
    severity: Severity
    found: str
    means: str = ""
    do: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def rows(
    source: VectorSource, positions: Sequence[int] | NDArray[np.intp], **more: Sequence[Any]
) -> list[dict[str, Any]]:
    """Return examples: id and text of some rows, with further values for each."""
    places = [int(p) for p in positions]
    texts, names = source.texts(places), source.names(places)
    found = []
    for i, (name, text) in enumerate(zip(names, texts, strict=True)):
        extra = {key: values[i] for key, values in more.items()}
        found.append({"id": name, "text": None if text is None else text[:300], **extra})
    return found


def percent(part: float, whole: float) -> str:
    """Return a share in words, never rounded to 0% or 100% when it is neither."""
    share = part / whole if whole else 0.0
    if 0 < share < 0.001:
        return "under 0.1%"
    if 0.999 < share < 1:
        return "over 99.9%"
    return f"{share:.1%}"


def space_finding(source: VectorSource) -> Finding:
    """Report whether the file says what its vectors are."""
    about = source.about
    if about.space is None:
        return Finding(
            "space",
            "warning",
            "the file does not record which model made the vectors",
            "Queries must be embedded with the same model, prompt and normalization. With another "
            "model of the same dimensions, search still returns results, but they are noise. "
            "No figure below can tell which model it was.",
            "Find out which model it was and record it, or re-embed the texts with "
            "`veclab embed`, which stores the Space in the file.",
        )
    return Finding("space", "ok", str(about.space), figures={"space_id": about.space.id})


def unusable(source: VectorSource, scanned: Scan) -> list[Finding]:
    """Find rows that cannot be searched."""
    n = source.about.rows
    kinds: list[tuple[str, NDArray[np.intp], str, Severity, str]] = [
        (
            "missing",
            scanned.missing,
            "without a vector",
            "warning",
            "These texts can never be found.",
        ),
        (
            "not finite",
            scanned.not_finite,
            "with NaN or infinite numbers",
            "problem",
            "A cosine with NaN is NaN: such a row can rank anywhere, and many indexes reject it "
            "or fail.",
        ),
        (
            "zero",
            scanned.zero,
            "of all zeros",
            "problem",
            "They have no direction, so their cosine is undefined. They often come from failed "
            "requests or empty texts.",
        ),
        (
            "constant",
            scanned.constant,
            "with a single repeated value",
            "problem",
            "They look like placeholders: no model outputs the same value in every dimension.",
        ),
    ]
    findings = []
    for name, positions, words, worst, means in kinds:
        count = len(positions)
        found = f"{count:,} {'row' if count == 1 else 'rows'} {words}" + (
            f" ({percent(count, n)})" if count else ""
        )
        if not count:
            findings.append(Finding(name, "ok", found, figures={"count": 0}))
            continue
        findings.append(
            Finding(
                name,
                worst,
                found,
                means,
                "Re-embed these texts, or remove the rows.",
                {"count": count, "share": count / n},
                rows(source, positions[:SHOWN]),
            )
        )
    return findings


def norms(source: VectorSource, scanned: Scan) -> Finding:
    """Report the lengths of the vectors, and whether they are what the Space promises."""
    lengths = scanned.norms[scanned.usable]
    if not len(lengths):
        return Finding("norms", "problem", "no usable vectors", "Nothing can be searched.")
    figures = {
        "min": float(lengths.min()),
        "mean": float(lengths.mean()),
        "max": float(lengths.max()),
    }
    is_unit = np.abs(lengths - 1) <= _UNIT
    figures["unit_share"] = float(is_unit.mean())
    found = f"{figures['min']:.4g} to {figures['max']:.4g}, mean {figures['mean']:.4g}"
    space = source.about.space
    if is_unit.all():
        return Finding("norms", "ok", f"all 1 ({found})", figures=figures)
    odd = np.flatnonzero(scanned.usable)[~is_unit][:SHOWN]
    promised = space is not None and space.normalized
    upper = norm_groups(lengths)
    why = ""
    if promised:
        why = (
            "the Space says unit length, but "
            f"{percent((~is_unit).sum(), len(is_unit))} of the vectors do not have it"
        )
    elif upper is not None:
        why = (
            f"two groups: {percent(upper.sum(), len(upper))} of the vectors are longer than the "
            f"rest (mean {lengths[upper].mean():.4g} against {lengths[~upper].mean():.4g})"
        )
    if why:
        return Finding(
            "norms",
            "problem",
            f"{found}: {why}",
            "Search by dot product favors long vectors, whatever their content. Groups with "
            "different norms indicate two ways of normalizing, or two models.",
            "Find out where the odd rows come from. If they are from the same model, normalize all "
            "vectors to unit length; if not, re-embed.",
            figures,
            rows(source, odd, norm=[float(scanned.norms[p]) for p in odd]),
        )
    return Finding(
        "norms",
        "note",
        found,
        "The vectors are not unit length, so cosine and dot product rank differently.",
        "Search with the measure that the model was trained for, usually cosine.",
        figures,
    )


def duplicates(source: VectorSource, scanned: Scan, texts: NDArray[np.uint64]) -> Finding:
    """Find rows that share a vector to the bit."""
    digests = scanned.digests[scanned.usable]
    _, first, counts = np.unique(digests, return_index=True, return_counts=True)
    repeats = int(len(digests) - len(counts))
    figures: dict[str, Any] = {"repeats": repeats, "distinct": len(counts)}
    if not repeats:
        return Finding("duplicates", "ok", "no two vectors are identical", figures=figures)
    largest = int(counts.max())
    figures |= {"largest_group": largest, "share": repeats / len(digests)}
    found = (
        f"{repeats:,} rows ({percent(repeats, len(digests))}) repeat the vector of another; "
        f"the most frequent vector is in {largest:,} rows"
    )
    if source.about.has_texts:
        differing = len(pairs_that_differ(scanned.digests, texts, scanned.usable & (texts != 0)))
        figures["vectors_of_several_texts"] = differing
        if differing:
            found += f"; {differing:,} vectors are shared by different texts"
    usable = np.flatnonzero(scanned.usable)
    top = usable[first[np.argsort(-counts)[:SHOWN]]]
    stuck = largest > max(10, 0.1 * len(digests))
    return Finding(
        "duplicates",
        "problem" if stuck else "warning" if repeats > 0.3 * len(digests) else "note",
        found,
        "One vector is shared by a large part of the file: a query that matches it gets a page of "
        "indistinguishable rows. A repeated response or a broken model looks like this."
        if stuck
        else "Results repeat: one text can fill the whole first page. (Different texts share a "
        "vector when they differ only in what the model does not read: case, whitespace, text "
        "beyond its limit.)",
        "Look at the texts; deduplicate before indexing, or group the results.",
        figures,
        rows(source, top, rows=sorted(counts.tolist(), reverse=True)[: len(top)]),
    )


def same_text(source: VectorSource, scanned: Scan, texts: NDArray[np.uint64]) -> Finding:
    """Find texts that occur several times with different vectors: proof of two origins."""
    known = texts[scanned.usable & (texts != 0)]
    repeated = len(known) - len(np.unique(known))
    pairs = pairs_that_differ(texts, scanned.digests, scanned.usable)
    figures: dict[str, Any] = {"repeated_texts": repeated, "texts_with_several_vectors": len(pairs)}
    alike = cosines(source, pairs[:_CONFLICTS])
    figures["lowest_cosine"] = lowest = float(alike.min()) if len(alike) else 1.0
    if lowest > 0.9999:
        found = (
            f"all {repeated:,} repeated texts have the vector of their first copy"
            if repeated
            else "no text occurs twice, so there is nothing to compare"
        )
        return Finding("same text", "ok", found, figures=figures)
    worst = [pairs[i] for i in np.argsort(alike)[:SHOWN]]
    return Finding(
        "same text",
        "problem" if lowest < 0.99 else "warning",
        f"{len(pairs):,} texts have several vectors; lowest cosine {lowest:.3f}",
        "The same text, embedded in the same way, gives the same vector. So these rows were made "
        "in at least two ways: by two models, with two prompts, or in two precisions (cosines "
        "over 0.99).",
        "Re-embed everything in one way.",
        figures,
        rows(source, [b for _, b in worst], cosine=[float(c) for c in np.sort(alike)[:SHOWN]]),
    )


def truncated(source: VectorSource, scanned: Scan) -> Finding:
    """Find texts of which the model read only the beginning."""
    about, n = source.about, source.about.rows
    if scanned.truncated is None:
        return Finding(
            "truncated",
            "note",
            "unknown: the file does not record which texts were truncated",
            "Truncated text cannot be found. Most models read 256 to 512 tokens, and most tools "
            "truncate silently.",
            "`veclab inspect-text` counts the texts that a model would truncate.",
        )
    count = scanned.truncated
    figures: dict[str, Any] = {"count": count, "share": count / n if n else 0.0}
    found = f"{count:,} texts ({percent(count, n)}) were truncated at the model's limit"
    if about.report is not None and about.report.tokens_lost:
        figures["tokens_lost"] = lost = about.report.tokens_lost
        found += f"; {lost:,} tokens ({percent(lost, about.report.tokens)}) were never read"
    if not count:
        return Finding("truncated", "ok", found, figures=figures)
    return Finding(
        "truncated",
        "warning" if count > 0.05 * n else "note",
        found,
        "Text beyond the limit cannot be found by any query.",
        "`veclab embed --chunks` (or `veclab index`) gives each passage a vector of its own, by "
        "which it is found. (`--on-long split` pools all into one, in which a fact is lost.)",
        figures,
    )


def unknown_tokens(source: VectorSource) -> Finding | None:
    """Find texts in which the model did not know some tokens; None where nobody counted them."""
    report = source.about.report
    if report is None:
        return None
    count, lost = report.partly_unknown, report.tokens_unknown
    found = f"{count:,} texts ({percent(count, report.texts)}) hold tokens that the model does not"
    found += f" know, {lost:,} in all"
    figures = {"count": count, "tokens": lost}
    if not count:
        return Finding("unknown tokens", "ok", found, figures=figures)
    return Finding(
        "unknown tokens",
        "warning" if count > 0.05 * report.texts else "note",
        found,
        "Two texts that differ only in such tokens (long codes, other scripts) are one to it.",
        "Embed with a model that was made for these texts; `veclab embed` names them.",
        figures,
    )
