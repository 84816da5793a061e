"""`veclab similar`: how alike are texts, pairs of texts, and the texts of a file?"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import (
    echo,
    json_option,
    print_facts,
    print_json,
    print_note,
    print_table,
    progress,
)
from veclab.cli.inputs import print_notes, remarks, vectors_of
from veclab.cli.options import chosen, loading_options, picture_option, reading_options
from veclab.hints import typed
from veclab.models.names import DEFAULT_MODEL
from veclab.report import one_line

if TYPE_CHECKING:
    from veclab.similarities.nearest import Nearest
    from veclab.similarities.similarity import Measure
    from veclab.vectors import Vectors

_FILE = click.Path(path_type=Path)
# Options of reading that files of pairs have, too.
_OF_PAIRS = ("header", "format", "delimiter")


@click.command()
@click.argument("texts", metavar="TEXT...", nargs=-1)
@click.option(
    "--model",
    "-m",
    shell_complete=complete_models,
    metavar="NAME",
    help="Name or path of a model, or openai:MODEL, cohere:MODEL. Default: the file's own, or "
    f"{DEFAULT_MODEL}.",
)
@click.option(
    "--to", metavar="FILE", type=_FILE, help="Find the nearest texts in this file of vectors."
)
@click.option(
    "--within",
    metavar="FILE",
    type=_FILE,
    help="Find the nearest neighbors of each text within this file of texts or vectors.",
)
@click.option(
    "--duplicates",
    metavar="COSINE",
    type=click.FloatRange(min=0, min_open=True, max=1),
    help="With --within: find groups of near-duplicates, linked by this cosine or more: 0.95, say.",
)
@click.option("--pairs", metavar="FILE", type=_FILE, help="Score the pairs of texts in this file.")
@click.option(
    "--top", "-k", type=click.IntRange(min=1), help="Number of nearest texts.  [default: 5]"
)
@click.option(
    "--measure",
    type=click.Choice(["cosine", "dot", "euclidean"]),
    default="cosine",
    show_default=True,
    help="Similarity measure; euclidean is the negative distance, so that higher is more similar.",
)
@click.option("--gold", metavar="NAME", help="With --pairs: the column of human scores.")
@reading_options
@picture_option
@loading_options
@json_option
def similar(
    texts: tuple[str, ...],
    model: str | None,
    to: Path | None,
    within: Path | None,
    duplicates: float | None,
    pairs: Path | None,
    top: int | None,
    measure: Measure,
    gold: str | None,
    reading: dict[str, Any],
    output: Path | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Show how similar texts are: cosine similarity, 1 for the same meaning.

    Give two or more texts; or a text and --to FILE; or --within FILE, to compare its texts with
    each other; or --pairs FILE (.csv, .tsv, .jsonl, .parquet), two columns of texts, and a third of
    scores to correlate with, if there is one.
    """
    if to is None and within is None and pairs is None:
        texts, to = _file_among(texts)
    _check(locals() | {"texts": texts, "to": to})
    if pairs is not None:
        of_pairs = {name: reading[name] for name in _OF_PAIRS}
        of_pairs |= {"columns": reading["column"], "gold": gold}
        _pairs(pairs, model or DEFAULT_MODEL, loading, of_pairs, measure, as_json)
    elif within is not None:
        vectors = vectors_of(within, model, loading, reading)
        if duplicates is not None:
            _duplicates(vectors, duplicates, as_json)
        else:
            _within(vectors, top or 5, measure, as_json)
    elif to is not None:
        _nearest(list(texts), to, model, loading, top or 5, measure, as_json)
    else:
        _matrix(list(texts), model or DEFAULT_MODEL, loading, measure, output, as_json)


def _file_among(texts: tuple[str, ...]) -> tuple[tuple[str, ...], Path | None]:
    """Find a file of vectors at either end of the texts, to search it for the others.

    Raises:
        click.UsageError: one of the texts is a file of texts, or a file of vectors stands alone.
    """
    from veclab.vectorfiles.files import holds_vectors

    for place in dict.fromkeys((0, len(texts) - 1)):
        if not texts or not Path(texts[place]).suffix or not Path(texts[place]).is_file():
            continue
        name, others = texts[place], texts[:place] + texts[place + 1 :]
        if others and holds_vectors(Path(name)):
            print_note(f"{name} is a file of vectors: the nearest in it (--to {shlex.quote(name)})")
            return others, Path(name)
        raise click.UsageError(
            f"{name!r} is a file. To compare its texts with each other: "
            f"{typed('similar', '--within', name)}"
            + (
                "; to search it, embed it first: "
                f"{typed('embed', name, '-o', 'vectors.parquet')} && "
                f"{typed('similar', *others, '--to', 'vectors.parquet')}"
                if others
                else ""
            )
        )
    return texts, None


def _check(given: dict[str, Any]) -> None:
    """Refuse options that would have no effect."""
    modes = [name for name in ("to", "within", "pairs") if given[name] is not None]
    if len(modes) > 1:
        raise click.UsageError(f"give one of --{' and --'.join(modes)}")
    mode = modes[0] if modes else None
    if mode in (None, "to") and len(given["texts"]) < (1 if mode else 2):
        raise click.UsageError(
            "give a text to search for"
            if mode
            else "give two or more texts; or --to FILE, --within FILE or --pairs FILE"
        )
    if mode in ("within", "pairs") and given["texts"]:
        raise click.UsageError(f"--{mode} takes its texts from the file: omit TEXT")
    allowed = {
        "top": mode == "to" or (mode == "within" and given["duplicates"] is None),
        "duplicates": mode == "within",
        "gold": mode == "pairs",
        "output": mode is None and given["measure"] == "cosine",
    }
    of_files = {"within": given["reading"], "pairs": ("column", *_OF_PAIRS)}
    for name in chosen(given["reading"]):
        allowed[name] = name in of_files.get(mode or "", ())
    named = given | given["reading"]
    for name, fits in allowed.items():
        if not fits and named[name] not in (None, ()):
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} does not apply here; see veclab similar --help")
    if given["duplicates"] is not None and given["measure"] != "cosine":
        raise click.UsageError("--duplicates uses cosine: omit --measure")


def _matrix(
    texts: list[str],
    name: str,
    loading: dict[str, Any],
    measure: Measure,
    output: Path | None,
    as_json: bool,
) -> None:
    from veclab.model import load
    from veclab.similarities.similarity import similarity

    if output is not None:
        from veclab.pictures import check_picture

        check_picture(output)
    vectors = load(name, **loading).embed(texts, on_empty="error")
    texts = list(vectors.texts or ())  # an endpoint may have refused some, which a note says
    scores = similarity(vectors, vectors, measure)
    print_notes(vectors)
    if output is not None:
        from veclab.pictures import heatmap

        heatmap(vectors).write(output)
    if as_json:
        print_json(
            {
                "space_id": vectors.space.id,
                "texts": texts,
                "similarity": [[round(float(x), 6) for x in row] for row in scores],
            }
        )
        return
    header = ["", "", *(str(i + 1) for i in range(len(texts)))]
    rows = [
        [str(i + 1), one_line(text, 60), *(f"{x:z.3f}" for x in scores[i])]
        for i, text in enumerate(texts)
    ]
    print_table(header, rows, left=2)
    if output is not None:
        echo(f"\nwritten  {output}")


def _nearest(
    texts: list[str],
    file: Path,
    name: str | None,
    loading: dict[str, Any],
    top: int,
    measure: Measure,
    as_json: bool,
) -> None:
    from veclab.model import load, load_for
    from veclab.similarities.nearest_in_file import nearest_in_file
    from veclab.space import Role, require_same
    from veclab.vectorfiles.source import open_own

    source = open_own(file)
    space = source.about.space
    assert space is not None
    model = load_for(space, **loading) if name is None else load(name, **loading)
    floats = replace(space, quantization=None)
    require_same(floats, model.space, names=(file.name, "the query"))
    role: Role | None = "query" if "query" in dict(model.space.prompts) else None
    queries = model.embed(texts, role=role, on_empty="error")
    print_notes(queries)
    texts = list(queries.texts or ())
    _print_nearest(texts, None, nearest_in_file(queries, source, top, measure), as_json)


def _within(vectors: Vectors, top: int, measure: Measure, as_json: bool) -> None:
    from veclab.similarities.nearest import neighbors

    found = neighbors(vectors, top, measure)
    queries = list(vectors.ids) if vectors.texts is None else list(vectors.texts)
    _print_nearest(queries, list(vectors.ids), found, as_json)


def _print_nearest(
    queries: list[str], ids: list[str] | None, found: Nearest, as_json: bool
) -> None:
    """Print the nearest of each query; `ids` where the queries are rows of the file themselves."""
    texts = found.texts
    if as_json:
        print_json(
            [
                ({} if ids is None else {"id": ids[q]})
                | {
                    "query": query,
                    "nearest": [
                        {
                            "id": found.ids[i],
                            "score": round(float(s), 6),
                            "text": None if texts is None else texts[i],
                        }
                        for i, s in zip(found.positions[q], found.scores[q], strict=True)
                    ],
                }
                for q, query in enumerate(queries)
            ]
        )
        return
    for q, query in enumerate(queries):
        label = "" if ids is None or ids[q] == query else f" {ids[q]}:"
        echo(f"nearest to{label or ':'} {one_line(query, 60)}")
        rows = [
            [f"{s:z.3f}", found.ids[i], "" if texts is None else one_line(texts[i], 60)]
            for i, s in zip(found.positions[q], found.scores[q], strict=True)
        ]
        print_table(["score", "id", "text"], rows, left=3)


def _duplicates(vectors: Vectors, threshold: float, as_json: bool) -> None:
    from veclab.similarities.duplicates import near_duplicates
    from veclab.similarities.similarity import similarity

    groups = near_duplicates(vectors, threshold)
    texts = vectors.texts
    rows = [
        [
            (vectors.ids[i], float(score), None if texts is None else texts[i])
            for i, score in zip(
                group, similarity(vectors[group[:1]], vectors[group])[0], strict=True
            )
        ]
        for group in map(list, groups)
    ]
    inside = sum(map(len, groups))
    if as_json:
        print_json(
            {
                "threshold": threshold,
                "texts": len(vectors),
                "in_groups": inside,
                "groups": [
                    [{"id": i, "cosine_with_first": round(s, 6), "text": t} for i, s, t in group]
                    for group in rows
                ],
            }
        )
        return
    for number, group in enumerate(rows, start=1):
        echo(f"group {number}: {len(group)} texts")
        print_table(
            ["cosine with first", "id", "text"],
            [[f"{score:z.3f}", name, one_line(text or "", 60)] for name, score, text in group],
            left=3,
        )
    echo(
        f"{len(groups):,} group(s) of {inside:,} of {len(vectors):,} texts, "
        f"linked by a cosine of {threshold} or more"
    )


def _pairs(
    file: Path,
    name: str,
    loading: dict[str, Any],
    reading: dict[str, Any],
    measure: Measure,
    as_json: bool,
) -> None:
    from veclab.model import load
    from veclab.similarities.pairs import read_pairs, score_pairs

    pairs = read_pairs(file, **reading)
    model = load(name, **loading)
    with progress("embedding", 2 * len(pairs)) as advance:
        found = score_pairs(model, pairs, measure, on_done=advance)
    gold = [None] * len(pairs) if pairs.gold is None else list(map(float, pairs.gold))
    scored = list(
        zip(
            (round(float(s), 6) for s in found.scores), gold, pairs.first, pairs.second, strict=True
        )
    )
    if as_json:
        names = ("score", "gold", "first", "second")
        print_json(
            {
                "space_id": model.space.id,
                "measure": measure,
                "columns": pairs.columns,
                "spearman": found.spearman,
                "pearson": found.pearson,
                "pairs": [dict(zip(names, row, strict=True)) for row in scored],
            }
        )
        return
    rows = [
        [f"{score:z.3f}", "" if by is None else f"{by:g}", one_line(a, 45), one_line(b, 45)]
        for score, by, a, b in scored
    ]
    print_table(["score", "gold" if pairs.gold is not None else "", *pairs.columns[:2]], rows, 4)
    facts = [("pairs", f"{len(pairs):,} from columns {', '.join(map(repr, pairs.columns))}")]
    if pairs.gold is not None:
        facts += [("Spearman", _figure(found.spearman)), ("Pearson", _figure(found.pearson))]
        if len(pairs) < 10:
            facts.append(("note", f"a correlation over {len(pairs)} pairs means little"))
    echo()
    print_facts([*facts, *(("note", note) for note in remarks(found.report))])


def _figure(correlation: float | None) -> str:
    if correlation is None:
        return "undefined: all scores are equal on one side"
    return f"{correlation:.4f}"
