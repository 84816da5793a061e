"""Questions over eight of Debian's documentation packages: found, cited, refused.

    python -m benchmarks.debian_docs FOLDER
    veclab index FOLDER --store STORE
    python -m benchmarks.rag_questions STORE benchmarks/results/rag_questions.json

All questions were frozen before anything was tuned on them. The threshold is found on the 40 of the
first 80 that have odd numbers; what is reported is measured on 101 others, asked once. Beside it
stand the threshold that the store finds without questions, and the even half of the first 80, which
earlier work had looked at four times.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.facts import machine
from veclab.rag.evaluate import _estimates, evaluate_rag, fit_threshold
from veclab.rag.questions import Question, read_questions
from veclab.rag.threshold import calibrate
from veclab.store.store import Store

QUESTIONS = Path(__file__).with_name("data") / "debian_questions.jsonl"
HELD_OUT = QUESTIONS.with_name("debian_questions_held_out.jsonl")


def half(questions: list[Question], odd: int) -> list[Question]:
    return [question for question in questions if int(question.id[1:]) % 2 == odd]


def share(values: Iterable[bool]) -> dict[str, Any]:
    """With its interval."""
    return asdict(_estimates({"share": [float(value) for value in values]})["share"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    questions, held_out = read_questions(QUESTIONS), read_questions(HELD_OUT)
    with Store.open(options.store) as store:
        threshold = fit_threshold(store, half(questions, 1))
        own = calibrate(store)
        found: dict[str, Any] = {
            name: evaluate_rag(store, asked, threshold=threshold.value).to_dict()
            for name, asked in (
                ("calibrated on", half(questions, 1)),
                ("reported", held_out),
                ("even half, seen before", half(questions, 0)),
            )
        }
        scores = [(bool(q.answers), store.ask(q.text, threshold=0).evidence) for q in held_out]
        found["reported, by the store's own threshold"] = {
            "threshold": own.to_dict(),
            "wrongly refused": share(f.score < own.value for yes, f in scores if yes),
            "rightly refused": share(f.score < own.value for yes, f in scores if not yes),
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
