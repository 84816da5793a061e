"""How the weights of the evidence, and the share of stand-ins to refuse, were found.

    python -m benchmarks.debian_docs FOLDER && veclab index FOLDER --store STORE
    python -m benchmarks.debian_docs OTHER --development && veclab index OTHER --store OTHER.store
    python -m benchmarks.evidence STORE OTHER.store [benchmarks/results/evidence.json]

Logistic regression on the half of `debian_questions.jsonl` that is there to calibrate on and on
`development_questions.jsonl`, over other documents; no question that figures are reported on.
Either class weighs the same, ridge penalty 0.5 on standardized signs, ten-fold cross-validation
five times. Then the threshold that a store finds on its own sentences: what it refuses of the
answerable and of the unanswerable questions on topic, for several shares of the stand-ins.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.rag_questions import QUESTIONS, half
from veclab.rag import evidence as module
from veclab.rag.evidence import Evidence
from veclab.rag.questions import Question, read_questions
from veclab.rag.reading import CANDIDATES, DEPTH, SEARCH, read_closely
from veclab.rag.threshold import SAMPLE, pseudo_questions
from veclab.store.store import Store

DEVELOPMENT = QUESTIONS.with_name("development_questions.jsonl")
SHARES = (0.05, 0.08, 0.1, 0.12, 0.15, 0.2)
Floats = NDArray[np.float64]


def weigh(store: Store, text: str) -> Evidence:
    vector = store.embed_query(text)
    hits = store.search(text, top=CANDIDATES, vector=vector, **SEARCH)
    return read_closely(store, text, vector, hits, DEPTH).evidence


def signs(found: Evidence) -> list[float]:
    far = max(0.0, module._NEAR_ENOUGH - max(found.passage, found.sentence))
    return [found.margin, found.foreign, len(found.names), far]


def fit(x: Floats, answerable: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights of the signs and a constant."""
    mean, scale = x.mean(0), x.std(0) + 1e-9
    standard, sign = (x - mean) / scale, np.where(answerable, 1, -1)
    weight = np.where(answerable, 0.5 / answerable.sum(), 0.5 / (~answerable).sum())

    def loss(w: Floats) -> float:
        odds = sign * (standard @ w[1:] + w[0])
        return float(len(x) * (weight * np.logaddexp(0, -odds)).sum() + 0.5 * (w[1:] ** 2).sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1)).x
    weights = found[1:] / scale
    return weights, float(found[0] - mean @ weights)


def cross_validated(x: Floats, answerable: NDArray[np.bool_], seed: int) -> Floats:
    fold = np.random.default_rng(seed).permutation(len(x)) % 10
    scores = np.zeros(len(x))
    for i in range(10):
        weights, constant = fit(x[fold != i], answerable[fold != i])
        scores[fold == i] = x[fold == i] @ weights + constant
    return scores


def separation(scores: Floats, answerable: NDArray[np.bool_]) -> dict[str, float]:
    """Area under the curve, and the unanswerable refused at 6% of the answerable refused."""
    yes, no = scores[answerable], scores[~answerable]
    threshold = np.sort(yes)[int(0.06 * len(yes))]
    better = (yes[:, None] > no).mean() + (yes[:, None] == no).mean() / 2
    return {"auc": float(better), "refused": float((no < threshold).mean())}


def stand_ins(store: Store, asked: list[tuple[Question, Evidence]]) -> dict[str, Any]:
    """What thresholds from the store's own sentences refuse of people's questions."""
    made = [weigh(store, question.text).score for question in pseudo_questions(store, SAMPLE)]
    yes = np.array([found.score for question, found in asked if question.answers])
    no = np.array([f.score for q, f in asked if not q.answers and not q.id.startswith("f")])
    return {
        f"{share:.2f}": {
            "threshold": float(value := np.quantile(made, share)),
            "answerable refused": float((yes < value).mean()),
            "unanswerable refused": float((no < value).mean()),
        }
        for share in SHARES
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("development")
    parser.add_argument("output", type=Path, nargs="?")
    options = parser.parse_args()
    everything: list[tuple[Question, Evidence]] = []
    thresholds = {}
    for name, path, questions in (
        ("calibration half", options.store, half(read_questions(QUESTIONS), 1)),
        ("development", options.development, read_questions(DEVELOPMENT)),
    ):
        with Store.open(path) as store:
            asked = [(question, weigh(store, question.text)) for question in questions]
            thresholds[name] = stand_ins(store, asked)
        everything += asked
    x = np.array([signs(found) for _, found in everything])
    answerable = np.array([bool(question.answers) for question, _ in everything])
    on_topic = np.array([not question.id.startswith("f") for question, _ in everything])
    scores = np.array([found.score for _, found in everything])
    weights, constant = fit(x, answerable)
    runs = [
        separation(cross_validated(x, answerable, seed)[on_topic], answerable[on_topic])
        for seed in range(5)
    ]
    result = {
        "questions": {
            "answerable": int(answerable.sum()),
            "unanswerable": int((~answerable & on_topic).sum()),
            "off topic": int((~on_topic).sum()),
        },
        "fitted": dict(zip(("margin", "foreign", "names", "far"), weights, strict=True))
        | {"constant": constant},
        "cross-validated, on topic": {k: float(np.mean([r[k] for r in runs])) for k in runs[0]},
        "single signs, on topic": {
            name: separation(
                np.array([value(f) for _, f in everything])[on_topic], answerable[on_topic]
            )
            for name, value in SINGLE.items()
        },
        "in use": separation(scores[on_topic], answerable[on_topic]),
        "in use, off topic": separation(
            scores[answerable | ~on_topic], answerable[answerable | ~on_topic]
        ),
        "thresholds from stand-ins": thresholds,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")


SINGLE = {
    "nearest passage": lambda f: f.passage,
    "nearest sentence": lambda f: f.sentence,
    "margin": lambda f: f.margin,
    "foreign word": lambda f: -f.foreign,
    "names missing": lambda f: -len(f.names),
}


if __name__ == "__main__":
    main()
