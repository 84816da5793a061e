"""What tuning gains, and what it costs: on real data, on the machine at hand.

    python -m benchmarks.tune cranfield [--seeds 5]
    python -m benchmarks.tune packages [--texts 20000] [--held-out 2000] [--work build/tune]

`cranfield`: an adapter for all-MiniLM-L6-v2 (`--method adapter`), half of the 225 queries held out.
The whole of `veclab.tune` is timed in a home of its own, so that nothing comes from a cache; then
it is run on further splits, since half of so few queries tells little.

`packages`: titles (one-line summaries) are to find their descriptions among Debian's packages. All
weights of all-MiniLM-L6-v2 are trained (`--method full`) on the pairs that are not held out, with
hard negatives by the model itself. Measured: nDCG@10 of the held-out titles among all the
descriptions, before and after, paired by title; and the test part of the STS Benchmark. A run that
was stopped goes on from its last checkpoint when it is started again.

The data lie in `../shared/data` beside the checkout, or where `--packages` and `--sts` say.
Results go to benchmarks/results/tune.json.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import veclab
from benchmarks.facts import load, machine
from veclab.evaluation.bootstrap import distributions, estimate, paired_p
from veclab.evaluation.metrics import mean, spearman, value_of
from veclab.evaluation.recognize import Choice
from veclab.evaluation.scoring import examine, per_unit
from veclab.models.catalog import find_transformer
from veclab.similarities.duplicates import near_duplicates
from veclab.tuning.data import Gathering, TrainingData
from veclab.tuning.full import train
from veclab.tuning.method import Settings
from veclab.tuning.mining import mine
from veclab.tuning.split import split

HERE = Path(__file__).parent
SHARED = HERE.parents[1] / "shared" / "data"
RESULTS = HERE / "results" / "tune.json"
BASE = "all-MiniLM-L6-v2"
# Documents with a cosine from here on are the same to the split, as they are to `veclab tune`.
ALIKE = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    runs = parser.add_subparsers(dest="run", required=True)
    few = runs.add_parser("cranfield", help="judged queries, an adapter")
    few.add_argument("--data", type=Path, default=SHARED / "cranfield")
    few.add_argument("--seeds", type=int, default=5)
    few.add_argument("--no-result", action="store_true", help="print only")
    one = runs.add_parser("packages", help="titles to descriptions, all weights")
    one.add_argument("--texts", type=int, default=20_000)
    one.add_argument("--held-out", type=int, default=2_000)
    one.add_argument("--work", type=Path, default=Path("build/tune"), help="kept between runs")
    one.add_argument("--packages", type=Path, default=SHARED / "packages" / "descriptions.jsonl.gz")
    one.add_argument("--sts", type=Path, default=SHARED / "stsb" / "stsb-en-test.csv")
    one.add_argument("--epochs", type=int)
    one.add_argument("--learning-rate", type=float)
    one.add_argument("--no-result", action="store_true", help="print only")
    options = parser.parse_args()
    facts = machine()
    run = {"cranfield": cranfield, "packages": packages}[options.run]
    result = run(options) | {"machine": facts, "load_after": load()}
    print(json.dumps(result, indent=1))
    if options.no_result:
        return
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known[options.run] = result
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def cranfield(options: argparse.Namespace) -> dict[str, Any]:
    """Judged queries: a map on their side, documents as they are."""
    found = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["VECLAB_HOME"] = home
        for seed in range(options.seeds):
            made = veclab.tune(
                BASE,
                options.data,
                Path(home) / f"tuned-{seed}",
                method="adapter",
                held_out=0.5,
                settings=Settings(seed=seed),
                anyway=True,
            )
            found.append(made)
            print(f"seed {seed}: {made.seconds} s, {made.proof.verdict}", flush=True)
        equal = _equal(Path(home) / "tuned-0", options.data)
    return {
        "model": BASE,
        "method": "adapter",
        "data": found[0].data,
        "split": found[0].split,
        "seconds": found[0].seconds,
        "seconds of further splits, from the cache": [made.seconds for made in found[1:]],
        "splits": [
            {
                "seed": seed,
                "trained": dict(made.trained.facts),
                "held out": made.proof.gain.to_dict(),
                "general": made.proof.general.to_dict(),
            }
            for seed, made in enumerate(found)
        ],
        "median gain": round(float(np.median([made.proof.gain.value for made in found])), 4),
        "lowest cosine to sentence-transformers": equal,
    }


def _equal(folder: Path, data: Path) -> dict[str, float]:
    """The lowest cosine between veclab's vectors and upstream's, by engine and role."""
    from sentence_transformers import SentenceTransformer

    asked = veclab.read_dataset(data, Choice(sample=50))
    upstream = SentenceTransformer(str(folder), device="cpu")
    sides = {"query": asked.sides[0], "document": asked.sides[1][:100]}
    encoders = {"query": upstream.encode_query, "document": upstream.encode_document}
    expected = {
        role: encoders[role](list(texts), show_progress_bar=False) for role, texts in sides.items()
    }
    found = {}
    for engine, precision in (("openvino", "f32"), ("openvino", None), ("torch", "f32")):
        model = veclab.load(str(folder), engine=engine, precision=precision, cache=False)
        for role, texts in sides.items():
            made = model.embed(texts, role=role).array
            lowest = float(np.einsum("ij,ij->i", made, expected[role]).min())
            found[f"{engine} {model.provider.precision}, {role}"] = round(lowest, 6)
    return found


def packages(options: argparse.Namespace) -> dict[str, Any]:
    """Titles to descriptions: every weight trained."""
    options.work.mkdir(parents=True, exist_ok=True)
    times: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        times[name] = round(time.perf_counter() - start, 1)

    with timed("read, embed, split"):
        data = read_packages(options.packages, options.texts)
        model = veclab.load(BASE, cache=str(options.work / "cache"))
        alike = near_duplicates(model.embed(data.documents, role="document"), ALIKE)
        parts = split(data, options.held_out / len(data), alike=alike)
    print(parts, flush=True)
    with timed("mine"):
        training = mine(model, parts.train)
    print(training.notes[-1], flush=True)
    key = f"{training.digest}-{options.epochs}-{options.learning_rate}"
    folder = options.work / key / "tuned"
    with timed("train"):
        made = trained(training, folder, options)
    with timed("prove"):
        tuned = veclab.load(str(folder), cache=False)
        found = prove(model, tuned, parts.held_out, options.sts)
    return {
        "model": BASE,
        "method": "full",
        "pairs": data.pairs,
        "split": str(parts),
        "mining": training.notes[-1],
        "training": made,
        **found,
        "seconds": times,
        "minutes": round(sum(times.values()) / 60, 1),
    }


def trained(data: TrainingData, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train, or go on, or take what an earlier run finished; what is said of it."""
    facts = folder.with_name("trained.json")
    if not facts.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        settings = Settings(
            device="cpu", epochs=options.epochs, learning_rate=options.learning_rate
        )
        made = train(find_transformer(BASE, "be tuned"), data, folder, settings, _told())
        facts.write_text(json.dumps(dict(made.facts) | {"notes": list(made.notes)}))
    read: dict[str, Any] = json.loads(facts.read_text())
    return read


def read_packages(path: Path, texts: int) -> TrainingData:
    """So many packages from all over the file; equal titles or descriptions are one."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:texts])
    made = Gathering()
    for i in chosen:
        made.add(rows[i]["summary"], rows[i]["description"], ())
    return made.finish("packages")


def prove(base: Any, tuned: Any, held_out: TrainingData, sts: Path) -> dict[str, Any]:
    """nDCG@10 of the held-out queries and STSb, with the paired bootstrap of their differences."""
    asked = held_out.to_retrieval()
    ndcg = []
    for model in (base, tuned):
        sides = [
            model.embed(texts, role=role).array
            for texts, role in zip(asked.sides, ("query", "document"), strict=True)
        ]
        ndcg.append(per_unit(asked, examine(asked, sides)))
    with sts.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    gold = np.array([float(row[2]) for row in rows])
    cosines = []
    for model in (base, tuned):
        first, second = (model.embed([row[i] for row in rows]).array for i in (0, 1))
        cosines.append(np.einsum("ij,ij->i", first, second, dtype=np.float64))
    return {
        "held-out nDCG@10": difference([mean(values) for values in ndcg], len(ndcg[0])),
        "better, worse, equal": [
            int((ndcg[1] > ndcg[0]).sum()),
            int((ndcg[1] < ndcg[0]).sum()),
            int((ndcg[1] == ndcg[0]).sum()),
        ],
        "STSb Spearman": difference([spearman(gold, one) for one in cosines], len(gold)),
    }


def difference(statistics: Any, n: int) -> dict[str, Any]:
    """Both figures, their difference and its 95% interval."""
    before, after = (value_of(statistic, n) for statistic in statistics)
    resampled = distributions(statistics, n)
    changes = resampled[1] - resampled[0]
    gain = estimate(lambda weights: statistics[1](weights) - statistics[0](weights), n, changes)
    return {
        "before": round(before, 4),
        "after": round(after, 4),
        "difference": round(gain.value, 4),
        "low": None if gain.low is None else round(gain.low, 4),
        "high": None if gain.high is None else round(gain.high, 4),
        "p": paired_p(after - before, changes),
        "units": n,
    }


def _told() -> Any:
    """A line of progress for every twentieth part."""
    console, start = Console(stderr=True), time.perf_counter()

    def on_step(done: int, total: int) -> None:
        if done % max(1, total // 20) == 0 or done == total:
            console.print(f"step {done} of {total}, {time.perf_counter() - start:.0f} s")

    return on_step


if __name__ == "__main__":
    main()
