"""How often does `veclab audit` find two origins in one file, and how often does it cry wolf?

    python benchmarks/mixed_origins.py ../shared/data -o benchmarks/results/mixed_origins.md
    python benchmarks/mixed_origins.py CORPUS[:COLUMN] ... [-o RESULT.md]

From a folder of benchmark data (packages/, stsb/) three corpora are drawn with a fixed seed. They
are not those on which the limits of `veclab.auditing.mixed_models` were chosen. Every corpus is
embedded with the default model (from the cache where it was before).

Clean files. Topics are made by k-means (24 clusters); a file is a random draw of 2, 3, 6 or 24
topics of one corpus, or all of two corpora at once, at most 1,000 rows, shuffled or topic by
topic. That is harder than most real files, whose topics are not so far apart. The same draws are
made from three further "models": the first 128 dimensions, the vectors turned by a random rotation
(no dimension stands out any more), and the last layer's first token instead of the mean.

Mixed files. A share of the rows of one corpus comes from another model: the random rotation (as
good a model as the first, and nothing in common), the first token instead of the mean (the same
weights, another pooling), the vectors with their dimensions in reverse order, and texts with the
prompt "query: " in front.
"""

from __future__ import annotations

import csv
import gzip
import random
import sys
from pathlib import Path

import click
import numpy as np

import veclab
from veclab.auditing.mixed_models import clusters, find_split
from veclab.corpus import open_source
from veclab.unit_length import normalize

ROWS = 1000
VARIANT_TEXTS = 700
TOPICS = 24


def distinct(array):
    """Positions of the first of each vector, in order."""
    return np.sort(np.unique(array.round(5), axis=0, return_index=True)[1])


def texts_of(name):
    """The texts of a file, `FILE[:COLUMN]`."""
    path, _, column = name.partition(":")
    source = open_source(path, column=column or None)
    return [text for block in source.blocks() for text in block.texts if text and text.strip()]


def drawn(folder):
    """Descriptions and summaries of packages, and sentences, drawn from a folder of data."""
    rng = random.Random(0)
    descriptions = texts_of(f"{folder / 'packages/descriptions.jsonl.gz'}:description")
    with gzip.open(folder / "packages/summaries.tsv.gz", "rt", encoding="utf-8") as lines:
        summaries = [line.rstrip("\n").partition("\t")[2] for line in lines]
    with (folder / "stsb/stsb-en-train.csv").open(encoding="utf-8", newline="") as rows:
        sentences = sorted({sentence for row in csv.reader(rows) for sentence in row[:2]})
    return {
        "descriptions": rng.sample(descriptions, 1500),
        "summaries": rng.sample([text for text in summaries if text.strip()], 2000),
        "sentences": rng.sample(sentences, 2000),
    }


def embedded(texts, model):
    """Vectors of texts, each once; and the texts."""
    vectors = model.embed(texts)
    kept = distinct(vectors.array)
    return vectors.array[kept], [texts[i] for i in kept]


def first_token(texts):
    """all-MiniLM-L6-v2 with the vector of its first token, by sentence-transformers."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    from veclab.models.catalog import find_model

    base = SentenceTransformer(str(find_model("all-MiniLM-L6-v2").path), device="cpu")
    model = SentenceTransformer(
        modules=[base[0], Pooling(384, pooling_mode="cls"), Normalize()], device="cpu"
    )
    return model.encode(texts, batch_size=32, show_progress_bar=False)


def draws(rng, sets, count):
    """Clean files: (what, vectors)."""
    topics = {name: clusters(array, TOPICS) for name, array in sets.items()}
    names = list(sets)
    for turn in range(count):
        name = names[turn % len(names)]
        array, topic = sets[name], topics[name]
        take = (2, 3, 6, TOPICS)[(turn // len(names)) % 4]
        chosen = rng.permutation(topic.max() + 1)[:take]
        rows = np.concatenate([np.flatnonzero(topic == t) for t in chosen])
        if turn % 2:
            rows = rng.permutation(rows)
        yield f"{take} topics", array[rows[:ROWS]]
    for a in names:
        for b in names:
            if a < b:
                both = [rng.permutation(sets[n])[: ROWS // 2] for n in (a, b)]
                yield "two corpora", np.concatenate(both)
                yield "two corpora", rng.permutation(np.concatenate(both))


def clean_table(rng, models, count):
    """Alarms on clean files, by model and kind of draw."""
    lines = [
        "| vectors | files | tested | false alarms | lowest agreement |",
        "|---|---|---|---|---|",
    ]
    for model, sets in models.items():
        tested, files, alarms, lowest = 0, 0, 0, 1.0
        for _, array in draws(rng, sets, count):
            files += 1
            split = find_split(array, np.ones(len(array)))
            if split is not None:
                tested += 1
                alarms += split.mixed
                lowest = min(lowest, split.agreement)
        lines.append(f"| {model} | {files} | {tested} | {alarms} | {lowest:.2f} |")
        print(lines[-1], file=sys.stderr)
    return lines


def mixed_table(rng, sets, others, count):
    """Finds on mixed files, by what was mixed in and how much of it."""
    shares = (0.05, 0.1, 0.25, 0.5)
    lines = [
        f"| mixed in | {' | '.join(f'{share:.0%}' for share in shares)} | rows told right |",
        "|---|" + "---|" * (len(shares) + 1),
    ]
    for kind, variants in others.items():
        cells, right = [], []
        for share in shares:
            found = tries = 0
            for name, variant in variants.items():
                for _ in range(count):
                    rows = rng.permutation(len(variant))
                    theirs = rng.random(len(rows)) < share
                    array = np.where(theirs[:, None], variant[rows], sets[name][rows])
                    split = find_split(array.astype(np.float32), np.ones(len(array)))
                    tries += 1
                    if split is not None and split.mixed:
                        found += 1
                        same = float((split.side == theirs).mean())
                        right.append(max(same, 1 - same))
            cells.append(f"{found} of {tries}")
        median = f"{np.median(right):.1%}" if right else "-"
        lines.append(f"| {kind} | {' | '.join(cells)} | {median} |")
        print(lines[-1], file=sys.stderr)
    return lines


@click.command()
@click.argument("corpora", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path))
@click.option("--draws", "count", default=96, show_default=True, help="Of clean files, a model.")
@click.option("--repeats", default=3, show_default=True, help="Of each mixture, a corpus.")
def main(corpora, output, count, repeats):
    model = veclab.load()
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(384, 384)))[0].astype(np.float32)
    sets, small, others = {}, {}, {"rotation": {}, "first token": {}, "reversed": {}, "prompt": {}}
    if len(corpora) == 1 and Path(corpora[0]).is_dir():
        read = drawn(Path(corpora[0]))
    else:
        read = {Path(name.partition(":")[0]).name: texts_of(name) for name in corpora}
    for label, given in read.items():
        array, texts = embedded(given, model)
        some = np.sort(rng.permutation(len(texts))[:VARIANT_TEXTS])
        chosen = [texts[i] for i in some]
        sets[label], small[label] = array, array[some]
        others["rotation"][label] = array[some] @ turn
        others["first token"][label] = first_token(chosen)
        others["reversed"][label] = array[some][:, ::-1]
        others["prompt"][label] = model.embed(["query: " + text for text in chosen]).array
        print(f"{label}: {len(array)} distinct vectors", file=sys.stderr)
    models = {
        "all-MiniLM-L6-v2": sets,
        "its first 128 dimensions": {n: normalize(a[:, :128]) for n, a in sets.items()},
        "turned by a rotation": {n: a @ turn for n, a in sets.items()},
        "first token": others["first token"],
    }
    text = "\n".join(
        [
            "# Two models in one file: finds and false alarms",
            "",
            f"Made by `python benchmarks/mixed_origins.py {' '.join(corpora)}`: "
            + ", ".join(f"{len(array):,} {name}" for name, array in sets.items())
            + " (distinct texts).",
            "",
            "Clean files (see the script for how they are drawn):",
            "",
            *clean_table(rng, models, count),
            "",
            f"Mixed files ({VARIANT_TEXTS:,} rows at most), found by share of the rows mixed in:",
            "",
            *mixed_table(rng, small, others, repeats),
            "",
        ]
    )
    if output is None:
        click.echo(text)
    else:
        output.write_text(text)


if __name__ == "__main__":
    main()
