"""Reckon docs/scale.md: machines, hours, dollars and bytes for 100 million and 10 billion texts.

    python -m benchmarks.scale_plan            # write the tables into docs/scale.md
    python -m benchmarks.scale_plan --check    # exit 1 if they are not what would be written

Rates are those measured in results/: engines.json (two cores), accelerator.json (one H200),
store_speed.json (indexing, searching, bytes), scale.json (the static model with its files, times of
shards, start-up, and how well `benchmarks.scale.simulate` predicts them). What was not measured is
an assumption, named below: change it and run the script.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.scale import drawn, simulate

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scale.md"
RESULTS = Path(__file__).parent / "results"
BEGIN = "<!-- reckoned by python -m benchmarks.scale_plan -->"
END = "<!-- end of what is reckoned -->"

SIZES = {"100 million": 10**8, "10 billion": 10**10}
TOKENS = {"summary": 17, "description": 90}  # of a text, for a BERT tokenizer
WITHIN_H = 24  # hours in which the embedding shall be done
SHARD = 100_000  # texts
THREADS = 4  # of a worker on processors, as veclab takes them
DEATH = 0.001  # of a worker, for each shard it takes
LINK = 10e9 / 8  # bytes per second of a machine's network
DIMENSIONS = 384
RQ_BITS = 5  # of a dimension in the vector index, which a search reads

# List prices in dollars an hour, Linux, US East. They change: look them up.
CPU_MACHINE = "c7a.8xlarge"  # one vCPU is one core; AVX-512 bf16
CPU_CORES, CPU_PRICE = 32, 1.642  # mid-2025, https://aws.amazon.com/ec2/pricing/on-demand/
STORE_MACHINE = "i4i.8xlarge"
STORE_CORES, STORE_PRICE = 32, 2.746  # vCPU: mid-2025, the same page
STORE_MEMORY, STORE_DISK = 256 * 2**30, 7.5e12  # bytes
GPU_MACHINE = "one H200 of a p5e.48xlarge"
GPU_PRICE = 5.408  # Ohio, until 2025-01-01, https://aws.amazon.com/ec2/capacityblocks/pricing/


@dataclass(frozen=True)
class Way:
    """A way to embed: on what machine, and how many tokens a second that machine reads."""

    name: str
    rates: dict[str, float]  # by kind of text
    workers: int  # on a machine
    price: float
    dimensions: int = DIMENSIONS


def read(name: str) -> dict[str, Any]:
    """Return figures that were measured."""
    found: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return found


def ways() -> list[Way]:
    """Return the ways, from what was measured; cores are taken to add up."""
    engines, gpu, scale = read("engines.json"), read("accelerator.json"), read("scale.json")
    cores = engines["machine"]["cores"]
    found = [
        Way(
            "static (wordllama)",
            dict.fromkeys(TOKENS, CPU_CORES * float(scale["tokens_per_core_s"])),
            CPU_CORES,
            CPU_PRICE,
            256,
        )
    ]
    for name, engine in (("MiniLM, f32", "veclab-f32"), ("MiniLM, bf16", "veclab")):
        measured = engines["engines"][engine]
        each = {
            "summary": measured["short"]["tokens_per_s"] / cores * CPU_CORES,
            "description": measured["long"]["tokens_per_s"] / cores * CPU_CORES,
        }
        found.append(Way(name, each, CPU_CORES // THREADS, CPU_PRICE))
    rates = {
        "summary": float(gpu["short"]["tokens_per_s"]["veclab"]),
        "description": float(gpu["long"]["tokens_per_s"]["veclab"]),
    }
    return [*found, Way("MiniLM, H200", rates, 1, GPU_PRICE)]


def text_bytes() -> dict[str, float]:
    """Return the mean size of the texts of each kind, in the example."""
    with gzip.open(ROOT / "examples" / "packages.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {kind: statistics.fmean(len(row[kind].encode()) for row in rows) for kind in TOKENS}


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """Return a Markdown table; the columns of figures are set to the right."""
    lines = [head, ["---" if not i else "---:" for i in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def embedding() -> Iterator[list[str]]:
    """Return machines, hours and dollars of each way."""
    scale = read("scale.json")
    for size, texts in SIZES.items():
        for kind, tokens in TOKENS.items():
            for way in ways():
                hours = texts * tokens / way.rates[kind] / 3600
                machines = ceil(hours / WITHIN_H)
                workers = machines * way.workers
                shards = ceil(texts / SHARD)
                mean = hours * 3600 * way.workers / shards
                seconds = drawn(scale["shard_seconds"], shards, mean)
                run = simulate(seconds, workers, workers, start_s=scale["start_s"], death=DEATH)
                wall = run.seconds / 3600
                yield [
                    f"{size}, {kind}, {way.name}",
                    f"{texts * tokens:.2g}".replace("e+", "e"),
                    figure(hours),
                    f"{machines:,}",
                    figure(wall),
                    f"{100 * run.share:.0f}%",
                    figure(wall * machines * way.price),
                ]


def sizes() -> Iterator[list[str]]:
    """Return bytes of texts, vectors and the store."""
    measured = stored()
    for size, texts in SIZES.items():
        kinds = [data(texts * mean) for mean in text_bytes().values()]
        vectors = [data(texts * DIMENSIONS * bits / 8) for bits in (32, 8, 1)]
        yield [size, *kinds, *vectors, data(texts * measured["disk_mb"] * 1e6 / rows_of(measured))]


def stored() -> dict[str, Any]:
    """Return the measured store of a million vectors of 384 numbers."""
    found: dict[str, Any] = read("store_speed.json")[
        "998,980 package summaries, all-MiniLM-L6-v2 (384-d)"
    ]
    return found


def rows_of(measured: dict[str, Any]) -> int:
    """Return how many passages a measured store has."""
    return int(measured["passages"])


def index() -> Iterator[list[str]]:
    """Return, for each index, machines by memory and processor seconds of a search."""
    figures = read("store_speed.json")
    small, large = figures["64,000 package descriptions, all-MiniLM-L6-v2"], stored()
    half = figures["500,000 package summaries, all-MiniLM-L6-v2 (384-d), busy"]
    exact = small["vector"]["median_cpu_ms"] / 1e3 / rows_of(small)
    by_index = large["vector"]["median_cpu_ms"] / 1e3 / rows_of(large)
    building = half["peak_memory_mb"] * 1e6 / rows_of(half)
    kinds = (
        # name, bytes of memory a row, bytes of disk a row, processor seconds a row
        ("exact, f32 in memory", DIMENSIONS * 4, 0.0, exact),
        ("IVF, f32 in memory", DIMENSIONS * 4, 0.0, exact / 2),
        ("IVF_RQ on disk", building, large["disk_mb"] * 1e6 / rows_of(large), by_index),
    )
    for size, texts in SIZES.items():
        for name, memory, disk, search in kinds:
            machines = max(ceil(texts * memory / STORE_MEMORY), ceil(texts * disk / STORE_DISK))
            seconds = texts / machines * search
            build = large["searchable_cpu_s"] / rows_of(large) * texts / 3600 if disk else 0
            yield [
                f"{size}, {name}",
                data(texts * (memory if not disk else DIMENSIONS * RQ_BITS / 8)),
                f"{machines:,}",
                figure(build) if build else "0",
                figure(seconds),
                figure(STORE_CORES / seconds),
                figure(machines * STORE_PRICE * 24 * 30),
            ]


def network() -> Iterator[list[str]]:
    """Return what a machine reads and writes by the network."""
    means = text_bytes()
    for kind, tokens in TOKENS.items():
        for way in ways():
            texts = way.rates[kind] / tokens
            read_, written = texts * means[kind], texts * way.dimensions * 4
            yield [
                f"{kind}, {way.name}",
                figure(texts),
                figure(read_ / 1e6),
                figure(written / 1e6),
                f"{100 * max(read_, written) / LINK:.2g}%",
            ]


def checked() -> Iterator[list[str]]:
    """Return measured runs beside what the simulation says of them."""
    for workers, row in read("scale.json")["workers"].items():
        yield [
            workers,
            str(row["working"]),
            f"{row['measured_s']:.1f}",
            f"{row['predicted_s']:.1f}",
            f"{100 * row['error']:+.0f}%",
        ]


def figure(value: float) -> str:
    """Return a number in two or three digits that count."""
    if value >= 100:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}" if digits > 0 else f"{value:,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def data(count: float) -> str:
    """Return bytes in the unit that fits, of powers of 1,000."""
    for unit in ("MB", "GB", "TB"):
        count /= 1000 if unit != "MB" else 1e6
        if count < 1000 or unit == "TB":
            return f"{figure(count)} {unit}"
    raise AssertionError


def busy(facts: dict[str, Any]) -> str:
    """Say whether other work kept a machine busy when it was measured."""
    load = facts["load_before"][0]
    return f"busy (load {load})" if load > 0.5 else "otherwise idle"


def whole() -> str:
    """Return what stands between the markers."""
    engines, scale, large = read("engines.json"), read("scale.json"), stored()
    carried = SIZES["10 billion"] * DIMENSIONS * 4 / LINK / 3600
    return f"""{BEGIN}

### Embedding

Machines so that it takes {WITHIN_H} hours, in shards of {SHARD:,} texts. A summary has \
{TOKENS["summary"]} tokens, a description {TOKENS["description"]}. Processors: {CPU_MACHINE}, \
{CPU_CORES} cores, ${CPU_PRICE} an hour; GPU: {GPU_MACHINE}, ${GPU_PRICE} an hour. Rates are of \
{engines["machine"]["cores"]} cores, {busy(engines["machine"])} (`engines.json`), and of an H200 \
(`accelerator.json`), multiplied; the static model's are of the whole command with its files, on \
one core (`scale.json`). The hours of all machines together are simulated: shards spread as \
measured, a start of {scale["start_s"]} s, and a worker that dies in one of {1 / DEATH:,.0f} shards.

{
        table(
            [
                "texts, model",
                "tokens",
                "hours, one machine",
                "machines",
                "hours, all",
                "in use",
                "dollars",
            ],
            embedding(),
        )
    }

What a GPU changes: fewer machines, by the same command, one worker a GPU. Whether it is cheaper \
than bf16 on processors depends on the length of the texts: of short ones it reads a quarter as \
many tokens a second as of long ones, processors as many.

### Bytes

{
        table(
            ["texts", *(f"{kind} texts" for kind in TOKENS), "f32", "int8", "binary", "store"],
            sizes(),
        )
    }

Vectors of {DIMENSIONS} numbers; the store has texts, vectors in f32 and both indexes, as measured \
on {rows_of(large):,} summaries ({large["disk_mb"]:,} MB; `store_speed.json`).

### Index

{
        table(
            [
                "vectors, index",
                "vectors in the index",
                "machines",
                "build, core hours",
                "core s a search",
                "searches/s",
                "dollars a month",
            ],
            index(),
        )
    }

Machines are {STORE_MACHINE} ({STORE_CORES} vCPU, 256 GiB, {data(STORE_DISK)} of NVMe, \
${STORE_PRICE} an hour), so many that memory and disks suffice; for IVF_RQ the memory is that of \
building, in one process for each machine. A search asks all machines, and so its seconds of \
processor are those of each, and searches per second those of all together. They are multiplied \
from stores of 63,904 (exact) and {rows_of(large):,} passages (IVF_RQ, recall 0.99, which looks at \
half of the rows; IVF in f32 is taken to look at half too). A store is of one machine: veclab does \
not spread a search over several; ask each, and merge by score. Where recall 0.9 is enough, probes \
are few and all of this is cheaper (`--recall`).

### Network

{
        table(
            ["texts, model", "texts/s", "MB/s read", "MB/s written", "of 10 Gbit/s"],
            network(),
        )
    }

Of one machine, texts uncompressed, vectors in f32, in and out each against its direction of the \
link. To carry the f32 vectors of 10 billion texts to one machine takes {figure(carried)} hours at \
10 Gbit/s: build stores where the shards are, or write int8 (`--quantize int8`).

### The simulation, checked

{
        table(
            ["workers asked for", "working", "measured, s", "simulated, s", "error"],
            checked(),
        )
    }

`{scale["command"]}`: the whole of `veclab embed --ray`, medians, on \
{scale["machine"]["cores"]} cores, {busy(scale["machine"])}. The start ({scale["start_s"]} s: Ray, \
the model) and the seconds of shards are those of the runs with one worker, so that the first \
row agrees by construction; the others are predicted. Cores are a resource: \
four workers on two cores are two, in the simulation as in veclab. More machines than one were not \
measured.

{END}"""


def page() -> str:
    """Return docs/scale.md with the tables as they should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + whole() + after


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    text = page()
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        print(f"{PAGE} is stale: python -m benchmarks.scale_plan", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
