"""An adversary against the check of citations: 200 answers that are wrong on purpose.

    python -m benchmarks.citations [result.json]

Passages are real text, taken once from docs/. Each answer is what a model would write, read and
checked as `veclab ask` does it. An answer is wrongly accepted where a quotation that is not in its
source comes through, or a claim counts as supported that its source does not make. As a control,
as many honest answers whose quotations differ in print only.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from veclab.rag.answer_format import AnswerReader
from veclab.rag.citations import Verdict, verify
from veclab.rag.sentences import split_sentences
from veclab.rag.words import has_number, read_words

TEXT = Path(__file__).with_name("data") / "passages.txt"
ANSWERS = 200
# Inside a sentence: what is left without one at its edge would be a true quotation cut short.
_NEGATION = re.compile(r"(?<=\w\w\w )(?:not|never|no|cannot|without) (?=\w+ \w)", re.IGNORECASE)
_UNIT = re.compile(r"(\d) ?(MB|GB|ms|s|seconds|minutes|tokens|texts|dimensions|times)\b")

Case = tuple[str, str, str, int]  # kind of lie ("quote" or "claim"), claim, quotation, source
Maker = Callable[[random.Random, list[str]], Case | None]


def passages() -> list[str]:
    """Paragraphs of two sentences or more."""
    parts = TEXT.read_text(encoding="utf-8").strip().split("\n\n")
    return [text for text in parts if len(sentences(text)) > 1]


def sentences(text: str) -> list[str]:
    return [text[a:b] for a, b in split_sentences(text) if len(text[a:b].split()) >= 6]


def pick(
    chance: random.Random, sources: list[str], wanted: Callable[[str], object]
) -> tuple | None:
    """A sentence of some source that has what the lie needs."""
    fits = [(s, n) for n, text in enumerate(sources, 1) for s in sentences(text) if wanted(s)]
    return chance.choice(fits) if fits else None


def swap(chance: random.Random, sentence: str, other: str) -> str | None:
    """A sentence with one long word replaced by one that it does not have."""
    mine = re.findall(r"[A-Za-z]{5,}", sentence)
    foreign = [w for w in re.findall(r"[A-Za-z]{5,}", other) if w.lower() not in sentence.lower()]
    if not mine or not foreign:
        return None
    return sentence.replace(chance.choice(mine), chance.choice(foreign), 1)


def wrong_number(chance: random.Random, sources: list[str]) -> Case | None:
    sentence, _ = pick(chance, sources, len)
    return "quote", sentence, sentence, chance.choice([0, 6, 9, 42])


def wrong_source(chance: random.Random, sources: list[str]) -> Case | None:
    sentence, number = pick(chance, sources, len)
    return "quote", sentence, sentence, number % len(sources) + 1


def one_digit(chance: random.Random, sources: list[str]) -> Case | None:
    if (found := pick(chance, sources, has_number)) is None:
        return None
    sentence, number = found
    place = chance.choice([m.start() for m in re.finditer(r"\d", sentence)])
    digit = str((int(sentence[place]) + chance.randint(1, 9)) % 10)
    return "quote", sentence, sentence[:place] + digit + sentence[place + 1 :], number


def splice(chance: random.Random, sources: list[str], joint: str = " ") -> Case | None:
    number = chance.randrange(len(sources)) + 1
    first, second = chance.sample(sentences(sources[number - 1]), 2)
    a, b = first.split(), second.split()
    quote = " ".join(a[: len(a) // 2]) + joint + " ".join(b[len(b) // 2 :])
    return "quote", quote, quote, number


def ellipsis(chance: random.Random, sources: list[str]) -> Case | None:
    return splice(chance, sources, chance.choice([" ... ", " […] ", "… "]))


def across(chance: random.Random, sources: list[str]) -> Case | None:
    """Two quotations out of two sources, run together."""
    one, two = chance.sample(range(len(sources)), 2)
    a, b = sentences(sources[one])[0], sentences(sources[two])[-1]
    return "quote", a, f"{a.rstrip('.')} {b}", one + 1


def invented(chance: random.Random, sources: list[str]) -> Case | None:
    sentence, number = pick(chance, sources, len)
    words = sentence.split()
    chance.shuffle(words)
    return "quote", sentence, " ".join(words), number


def empty(chance: random.Random, sources: list[str]) -> Case | None:
    sentence, number = pick(chance, sources, len)
    return "quote", sentence, chance.choice(["", "...", "“”", "-", "***"]), number


def half_word(chance: random.Random, sources: list[str]) -> Case | None:
    found = pick(chance, sources, lambda s: re.match(r"\S+ [a-z]{5}", s))
    if found is None:
        return None
    sentence, number = found
    rest = sentence.split(None, 1)[1]
    return "quote", rest[2:], rest[2:], number


def other_word(chance: random.Random, sources: list[str]) -> Case | None:
    sentence, number = pick(chance, sources, len)
    changed = swap(chance, sentence, sources[number % len(sources)])
    return None if changed is None else ("quote", changed, changed, number)


def quote_without_negation(chance: random.Random, sources: list[str]) -> Case | None:
    if (found := pick(chance, sources, _NEGATION.search)) is None:
        return None
    changed = _NEGATION.sub("", found[0], count=1)
    return "quote", changed, changed, found[1]


def sign(chance: random.Random, sources: list[str]) -> Case | None:
    if (found := pick(chance, sources, re.compile(r"(?<=\s)\d+(?=\s)").search)) is None:
        return None
    how = chance.choice([r" -\1 ", r" \1² ", r" \1½ ", r" \1.0 ", r" \1% "])
    changed = re.sub(r"\s(\d+)\s", how, found[0], count=1)
    return "quote", changed, changed, found[1]


def claim_number(chance: random.Random, sources: list[str]) -> Case | None:
    found = one_digit(chance, sources)
    return None if found is None else ("claim", found[2], found[1], found[3])


def claim_negation(chance: random.Random, sources: list[str]) -> Case | None:
    found = quote_without_negation(chance, sources)
    if found is None:
        return None
    for sentence in sentences(sources[found[3] - 1]):
        if _NEGATION.sub("", sentence, count=1) == found[1]:
            return "claim", found[1], sentence, found[3]
    return None


def claim_negated(chance: random.Random, sources: list[str]) -> Case | None:
    verb = re.compile(r"\b(is|are|was|can|must|has|have|does|will)\b")
    if (found := pick(chance, sources, verb.search)) is None:
        return None
    return "claim", verb.sub(r"\1 not", found[0], count=1), found[0], found[1]


def claim_word(chance: random.Random, sources: list[str]) -> Case | None:
    sentence, number = pick(chance, sources, len)
    changed = swap(chance, sentence, sources[number % len(sources)])
    return None if changed is None else ("claim", changed, sentence, number)


def claim_order(chance: random.Random, sources: list[str]) -> Case | None:
    sentence, number = pick(chance, sources, len)
    words = list(dict.fromkeys(re.findall(r"\b[A-Za-z]{5,}\b", sentence)))
    if len(words) < 2:
        return None
    one, two = chance.sample(words, 2)
    exchange = {one: two, two: one}
    changed = re.sub(rf"\b({one}|{two})\b", lambda m: exchange[m[0]], sentence)
    return "claim", changed, sentence, number


def claim_part(chance: random.Random, sources: list[str]) -> Case | None:
    """What stands after a comma or before it, without what it is said under."""
    if (found := pick(chance, sources, lambda s: ", " in s)) is None:
        return None
    parts = [p for p in found[0].split(", ") if len(p.split()) > 3]
    if not parts:
        return None
    part = chance.choice(parts)
    return "claim", part, part.rstrip("."), found[1]


def claim_elsewhere(chance: random.Random, sources: list[str]) -> Case | None:
    """A sentence of one source under a quotation from another."""
    sentence, number = pick(chance, sources, len)
    other = number % len(sources) + 1
    return "claim", sentence, sentences(sources[other - 1])[0], other


def claim_unit(chance: random.Random, sources: list[str]) -> Case | None:
    if (found := pick(chance, sources, _UNIT.search)) is None:
        return None
    return "claim", _UNIT.sub(r"\1 miles", found[0], count=1), found[0], found[1]


LIES: tuple[Maker, ...] = (
    wrong_number, wrong_source, one_digit, splice, ellipsis, across, invented, empty, half_word,
    other_word, quote_without_negation, sign, claim_number, claim_negation, claim_negated,
    claim_word, claim_order, claim_part, claim_elsewhere, claim_unit,
)  # fmt: skip


def honest(chance: random.Random, sources: list[str]) -> Case:
    """A sentence copied, as print or a model may change it."""
    sentence, number = pick(chance, sources, len)
    quote = chance.choice(
        [
            sentence,
            sentence.replace("-", "‑").replace("'", "’"),
            sentence.replace('"', "”").replace("fi", "ﬁ"),
            "  ".join(sentence.split()),
            sentence.rstrip("."),
        ]
    )
    return "claim", sentence, quote, number


def check(case: Case, sources: list[str]) -> Verdict:
    """What becomes of an answer, all the way from what the model writes."""
    _, claim, quote, number = case
    reader = AnswerReader()
    claims = reader.feed(f'CLAIM: {claim}\nQUOTE [{number}]: "{quote}"\n') + reader.close()
    assert len(claims) == 1, case
    return verify(claims[0], sources)


def wrongly_accepted(case: Case, verdict: Verdict, sources: list[str]) -> bool:
    """Whether a lie came through, or a citation points to other words than it says."""
    for citation in verdict.citations:
        text = sources[citation.source - 1][citation.start : citation.end]
        if text != citation.text or not read_words(text):
            return True
    return verdict.status == "supported" or (case[0] == "quote" and verdict.status != "dropped")


def run(answers: int = ANSWERS, seed: int = 0) -> dict[str, object]:
    """Make the answers, check them, count."""
    chance, texts = random.Random(seed), passages()
    outcomes: dict[str, Counter[str]] = {lie.__name__: Counter() for lie in LIES}
    accepted, made = [], 0
    while made < answers:
        sources = chance.sample(texts, 5)
        lie = LIES[made % len(LIES)]
        case = lie(chance, sources)
        if case is None or _true(case, sources):
            continue
        made += 1
        verdict = check(case, sources)
        outcomes[lie.__name__][verdict.status] += 1
        if wrongly_accepted(case, verdict, sources):
            accepted.append({"lie": lie.__name__, "claim": case[1], "quote": case[2]})
    kept = Counter(
        check(honest(chance, sources), sources).status
        for sources in (chance.sample(texts, 5) for _ in range(answers))
    )
    return {
        "adversarial answers": answers,
        "wrongly accepted": len(accepted),
        "which": accepted,
        "outcomes": {name: dict(counts) for name, counts in outcomes.items()},
        "honest answers": answers,
        "honest outcomes": dict(kept),
    }


def _true(case: Case, sources: list[str]) -> bool:
    """Whether the lie happens to be no lie: its words stand in the source after all."""
    kind, claim, quote, number = case
    if kind == "quote":
        if not 1 <= number <= len(sources) or not read_words(quote):
            return False
        words, text = " ".join(quote.split()).rstrip(" ."), " ".join(sources[number - 1].split())
        return re.search(rf"(?<!\S){re.escape(words)}(?![^\s.,;:])", text) is not None
    plain = [" ".join(s.split()).rstrip(".") for s in sentences(sources[number - 1])]
    return " ".join(claim.split()).rstrip(".") in plain


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?")
    options = parser.parse_args()
    result = json.dumps(run(), indent=1, ensure_ascii=False)
    print(result)
    if options.output is not None:
        options.output.write_text(result + "\n")
