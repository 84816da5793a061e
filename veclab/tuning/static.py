"""A static model of the domain: the base, distilled, with the domain's words in its vocabulary.

A word that the base's tokenizer cuts into pieces has no vector of its own in a distilled model,
only the mean of its pieces, which may mean anything. So words of the documents and queries that are
cut, and that are in several of them, go through the base whole, and each gets its vector.
"""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from veclab.errors import InputError
from veclab.models.local.folder import ModelFolder
from veclab.models.static.distill import distill_folder
from veclab.tuning.data import TrainingData
from veclab.tuning.method import OnStep, Settings, Trained

DIMENSIONS = 256
# A word counts as the domain's when so many texts have it; the most frequent are taken.
FEWEST_TEXTS, MOST_WORDS = 3, 20_000
_WORD = re.compile(r"\w{3,40}")


def train(
    base: ModelFolder, data: TrainingData, folder: Path, settings: Settings, on_step: OnStep
) -> Trained:
    """Distill a base with the words of the data; see `veclab.tuning.method.Method`."""
    start = time.perf_counter()
    if base.static is not None:
        raise InputError(
            f"{base.name} is a static model already: --method static makes one of a transformer"
        )
    words = domain_words(base, [*data.queries, *data.documents])
    if not words:
        raise InputError(
            f"no word that the tokenizer of {base.name} cuts is in {FEWEST_TEXTS} texts or more: "
            "there is nothing to add to its vocabulary. `veclab distill` makes a static model of it"
        )
    dimensions = settings.dimensions or min(DIMENSIONS, base.dimensions or DIMENSIONS)
    untuned = folder.parent / "untuned"
    shutil.rmtree(untuned, ignore_errors=True)  # of a run that was killed

    def distilled(to: Path, vocabulary: Sequence[str], half: int) -> int:
        return distill_folder(
            base,
            to,
            dimensions=dimensions,
            device=settings.device,
            vocabulary=vocabulary,
            on_tokens=lambda done, total: on_step(half * total + done, 2 * total),
        ).tokens

    distilled(untuned, (), 0)
    facts: dict[str, str | int | float] = {
        "words of the domain": len(words),
        "tokens": distilled(folder, words, 1),
        "dimensions": dimensions,
        "seconds": round(time.perf_counter() - start, 1),
    }
    note = f"measured against {base.name} distilled without these words, not against it itself"
    return Trained("static", facts, (note,), untuned)


def domain_words(base: ModelFolder, texts: Sequence[str]) -> list[str]:
    """Return words that the base's tokenizer cuts into pieces, the most frequent first.

    Args:
        base: whose tokenizer, and its way to write a word, is followed.
        texts: of the domain; a word counts once a text.
    """
    from tokenizers import Tokenizer

    file = base.transformer / "tokenizer.json"
    if not file.exists():
        return []
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    normalize = tokenizer.normalizer.normalize_str if tokenizer.normalizer else str
    counts = Counter(
        word
        for text in texts
        for word in dict.fromkeys(_WORD.findall(normalize(text).replace("▁", " ")))
    )
    frequent = sorted(
        (word for word, n in counts.items() if n >= FEWEST_TEXTS and not word.isnumeric()),
        key=lambda word: (-counts[word], word),
    )
    pieces = tokenizer.encode_batch(frequent, add_special_tokens=False)
    cut = (
        word
        for word, encoding in zip(frequent, pieces, strict=True)
        # A word id for each: what the tokenizer sees as several words stays several.
        if len(encoding) > 1 and len(set(encoding.word_ids)) == 1
    )
    return [word for word, _ in zip(cut, range(MOST_WORDS), strict=False)]
