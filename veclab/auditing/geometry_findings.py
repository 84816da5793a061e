"""Findings about how the vectors of a file lie: rank, anisotropy, hubness, outliers, origins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veclab.auditing.findings import SHOWN, Finding, Severity, percent, rows
from veclab.auditing.geometry import occurrences, skewness
from veclab.auditing.mixed_models import MIN_ROWS, MIN_SHARE, agreement_limit, find_split
from veclab.auditing.scan import Neighborhood, Scan
from veclab.vectorfiles.source import VectorSource

# A cosine from which two texts count as near-duplicates.
NEAR = 0.95


def near_duplicates(source: VectorSource, near: Neighborhood) -> Finding:
    """Report how many vectors have another one very close; estimated on the sample."""
    m, alike = len(near.sample), near.best >= NEAR
    share = float(alike.mean())
    exact = m == len(near.rows)
    margin = 0.0 if exact else 1.96 * float(np.sqrt(share * (1 - share) / m))
    figures = {"share": share, "margin": margin, "threshold": NEAR, "sample": m}
    found = f"{share:.1%} of the distinct vectors have another one at a cosine of {NEAR} or more"
    if not exact:
        found += f" (estimated from {m:,} of them; +-{margin:.1%})"
    if share <= 0.01:
        return Finding("near-duplicates", "ok", found, figures=figures)
    return Finding(
        "near-duplicates",
        "warning" if share > 0.3 else "note",
        found,
        "Variants of the same text fill the results: the tenth says the same as the first.",
        f"`veclab similar --within FILE --duplicates {NEAR}` lists the groups. Keep one of "
        "each, or group the results.",
        figures,
    )


def rank(source: VectorSource, scanned: Scan) -> Finding:
    """Do the vectors use their dimensions?"""
    moments, dim = scanned.moments, source.about.dimensions
    variances = moments.variances()
    dead = int((variances < 1e-8 * max(float(variances.mean()), 1e-30)).sum())
    effective = moments.effective_rank()
    possible = min(dim, moments.count)
    figures = {
        "effective_rank": effective,
        "dimensions": dim,
        "dead_dimensions": dead,
        "components_for_90_percent": moments.components_for(0.9),
        "components_for_99_percent": moments.components_for(0.99),
    }
    found = (
        f"effective rank {effective:,.0f} of {possible:,}; "
        f"{figures['components_for_90_percent']:,} principal components hold 90% of the variance"
    )
    if moments.count < dim:
        found += f" (only {moments.count:,} vectors for {dim:,} dimensions)"
    if dead:
        found += f"; {dead:,} dimension(s) are constant"
    share = effective / possible
    if dead >= dim / 2 or share < 0.05:
        severity: Severity = "problem"
    elif dead > 0.05 * dim or share < 0.25:
        severity = "warning"
    else:
        return Finding("rank", "note" if dead else "ok", found, *_dead(dead), figures)
    return Finding(
        "rank",
        severity,
        found,
        "The vectors span few directions (dimensional collapse): different texts get nearly the "
        "same vector, and most of the memory is wasted.",
        "Check that the right model was used and that its output was not padded or truncated. If "
        "the texts really are this similar, fewer dimensions suffice.",
        figures,
    )


def _dead(dead: int) -> tuple[str, str]:
    if not dead:
        return "", ""
    return (
        "A constant dimension carries no information. Some models have a few (all-MiniLM-L6-v2 "
        "does), and they do no harm.",
        "",
    )


def anisotropy(scanned: Scan) -> Finding:
    """Do all vectors point the same way?"""
    moments = scanned.moments
    mean, spread = moments.mean_cosine(), moments.deviation_of_cosines()
    loudest, added = moments.loudest_dimension()
    figures = {
        "mean_cosine": mean,
        "deviation": spread,
        "loudest_dimension": loudest,
        "loudest_adds": added,
    }
    found = f"mean cosine of two random texts {mean:.3f}, standard deviation {spread:.3f}"
    means = (
        f'Here a cosine of {mean:.2f} means "unrelated"; a threshold from another model or corpus '
        "means something else here."
    )
    do = "Compare cosines with each other, or with this mean, never with a fixed threshold."
    rogue = added > 0.5 * mean and mean > 0.1
    if rogue:
        found += f"; dimension {loudest} alone contributes {added / mean:.0%} of the mean"
        means += " One dimension dominates the others (Timkey and van Schijndel 2021)."
        do += " Subtracting the mean vector from all vectors and queries removes the effect."
    if mean > 0.99:
        return Finding(
            "anisotropy",
            "problem",
            found,
            "All vectors are nearly identical; search ranks results by rounding errors.",
            "Check the model and the texts: these embeddings are not usable.",
            figures,
        )
    if mean > 0.85 or rogue:
        return Finding("anisotropy", "warning", found, means, do, figures)
    if mean > 0.4:
        return Finding("anisotropy", "note", found, means, do, figures)
    return Finding("anisotropy", "ok", found, figures=figures)


def hubness(source: VectorSource, near: Neighborhood) -> Finding:
    """Report whether some rows are neighbors of far too many others."""
    times = occurrences(near.neighbors)
    m, k = near.neighbors.shape
    skew, most, never = skewness(times), int(times.max()), float((times == 0).mean())
    figures = {"skewness": skew, "largest": most, "never_share": never, "k": k, "sample": m}
    found = (
        f"skewness {skew:.1f} of how often a row is among the {k} nearest neighbors of others; "
        f"at most {most:,} times, {never:.0%} never ({m:,} rows)"
    )
    hubs = np.argsort(-times, kind="stable")[:SHOWN]
    examples = rows(source, near.sample[hubs], times=[int(times[h]) for h in hubs])
    if skew > 6 or most > 0.1 * m + 5 * k:
        return Finding(
            "hubness",
            "warning",
            found,
            "A few rows (hubs) appear in the results of many unrelated queries and displace others "
            "(Radovanovic et al. 2010).",
            "Read the hubs: short, generic or boilerplate texts are best removed. "
            "Subtracting the mean vector, or CSLS scoring, reduces hubness.",
            figures,
            examples,
        )
    return Finding("hubness", "ok", found, figures=figures, examples=examples)


def outliers(source: VectorSource, scanned: Scan, near: Neighborhood) -> Finding:
    """Find rows whose nearest neighbor is as far away as any row."""
    moments = scanned.moments
    limit = moments.mean_cosine() + 2 * moments.deviation_of_cosines()
    lone = near.nearest < limit
    order = np.argsort(near.nearest, kind="stable")[:5]
    figures = {"count": int(lone.sum()), "limit": limit, "sample": len(near.sample)}
    found = (
        f"{lone.sum():,} distinct texts ({percent(lone.sum(), len(lone))}) have no neighbor "
        f"over {limit:.2f}, two standard deviations above the mean of random pairs"
    )
    if len(near.sample) < len(near.rows):
        found += f" (in a sample of {len(near.sample):,})"
    return Finding(
        "outliers",
        "warning" if lone.mean() > 0.05 else "note" if lone.any() else "ok",
        found,
        "They are unlike everything else: rare topics, other languages, or broken texts. Harmless "
        "if the text is good; a broken one will hardly ever be found."
        if lone.any()
        else "",
        "Read those below." if lone.any() else "",
        figures,
        rows(source, near.rows[order], nearest=[float(near.nearest[i]) for i in order])
        if lone.any()
        else [],
    )


def origins(source: VectorSource, scanned: Scan, near: Neighborhood) -> Finding:
    """Look for two models in one file, from the vectors alone."""
    split = find_split(near.unit, scanned.norms[near.sample])
    if split is None:
        return Finding(
            "mixed origins",
            "note",
            f"not tested: {len(near.sample):,} distinct vectors of {source.about.dimensions} "
            "dimensions are too few, or all dimensions vary equally",
            "",
            "",
            {"tested": False},
        )
    share = float(split.side.mean())
    figures = {
        "tested": True,
        "agreement": split.agreement,
        "contact": split.contact,
        "crossing": split.crossing,
        "share": share,
        "by": split.by,
        "sample": len(near.sample),
    }
    smallest = max(MIN_SHARE, MIN_ROWS / len(near.sample))
    if not split.mixed:
        return Finding(
            "mixed origins",
            "ok",
            f"no split of the rows looks like two models (lowest agreement {split.agreement:.2f}; "
            f"detects shares from {smallest:.0%} in a sample of {len(near.sample):,})",
            figures=figures,
        )
    odd = near.sample[split.side][:SHOWN]
    where = _where(near.sample[split.side], source.about.rows)
    return Finding(
        "mixed origins",
        "problem",
        f"about {share:.0%} of the vectors {where} seem to come from another model: their "
        f"dimensions vary in another pattern (agreement {split.agreement:.2f}; topics of one model "
        f"stay over {agreement_limit(split.dimensions):.2f}), and they are no closer to the rest "
        "than random directions",
        "Similarities between the two groups are meaningless. A query finds only the rows of its "
        "own model; the other rows are lost.",
        "Compare the rows below with the rest: another model, pooling or prompt, or values that "
        "were scaled or reordered? Re-embed all of them with one model.",
        figures,
        rows(source, odd),
    )


def _where(positions: NDArray[np.intp], n: int) -> str:
    """Return where in the file a group of sampled rows lies."""
    low, high = int(np.quantile(positions, 0.02)), int(np.quantile(positions, 0.98))
    if high - low < 0.9 * n:
        return f"(mostly rows {low + 1:,} to {high + 1:,})"
    return "(throughout the file)"
