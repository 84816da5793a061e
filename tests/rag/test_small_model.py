"""A real small model behind a real endpoint: it obeys nothing, and nothing false gets through."""

import os
import sys

import pytest

from benchmarks.small_model import PACKAGES, WINDOW, is_there, run, serving
from tests.chat_server import KEY
from veclab.rag.ask import ask
from veclab.rag.chat import ChatModel

PYTHON = os.environ.get("VECLAB_SMALL_MODEL_PYTHON", sys.executable)


@pytest.fixture(scope="module")
def url():
    if not is_there(PYTHON):
        pytest.skip(
            f"{PYTHON} has no {' and '.join(PACKAGES)}; VECLAB_SMALL_MODEL_PYTHON names the Python "
            "of an environment that has (benchmarks/small_model.py says how to make one)"
        )
    with serving(PYTHON) as found:
        yield found


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_no_citation_that_it_makes_is_wrong(url):
    result = run(url, 3)
    assert result["which"] == []
    assert result["counts"]["answers that say anything"]


def test_a_store_is_asked_with_it(url, store):
    chat = ChatModel("openai:gemma-3-270m", base_url=url, window=WINDOW, answer_tokens=100)
    answer = ask(store, "When does the library open?", llm=chat, threshold=0)
    assert answer.by == "gemma-3-270m"
    assert answer.tokens[0] > 0
    for reference in answer.references:
        for start, end, text in reference.quotes:
            assert reference.passage.text[start:end] == text
