"""80 questions over eight of Debian's documentation packages: found, cited, refused.

    python -m benchmarks.debian_docs FOLDER
    veclab index FOLDER --store STORE
    python -m benchmarks.rag_questions STORE benchmarks/results/rag_questions.json

The questions were frozen before anything was tuned. The threshold is found on those with odd
numbers; what is reported as the result is measured on the others, once.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.facts import machine
from veclab.rag.evaluate import evaluate_rag, fit_threshold
from veclab.rag.questions import Question, read_questions
from veclab.store.store import Store

QUESTIONS = Path(__file__).with_name("data") / "debian_questions.jsonl"


def half(questions: list[Question], odd: int) -> list[Question]:
    return [question for question in questions if int(question.id[1:]) % 2 == odd]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    questions = read_questions(QUESTIONS)
    with Store.open(options.store) as store:
        threshold = fit_threshold(store, half(questions, 1))
        found = {
            name: evaluate_rag(store, half(questions, odd), threshold=threshold.value).to_dict()
            for name, odd in (("calibrated on", 1), ("reported", 0))
        }
        facts = {
            "model": store.space.model,
            "passages": store.count(),
            "threshold": threshold.to_dict(),
            "machine": machine(),
        }
    result = json.dumps(facts | found, indent=1, ensure_ascii=False)
    print(result)
    options.output.write_text(result + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
