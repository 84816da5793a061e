"""`check_provider` passes every provider of ours, and says what is wrong with a wrong one."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import veclab
from tests.fakes import FakeProvider
from tests.openai_server import KEY, OpenAIServer
from tests.waiting import HANG_S
from tests.words import write_words
from veclab.provider import TokenizedText
from veclab.testing import TEXTS, check_provider

DOCS = Path(__file__).resolve().parents[1] / "docs" / "providers.md"


class TestOurs:
    def test_the_one_of_the_tests(self, provider):
        check_provider(provider)

    def test_torch(self, tiny_e5):
        check_provider(veclab.load(str(tiny_e5), engine="torch").provider)

    @pytest.mark.parametrize("dimensions", [None, 8])
    def test_openvino(self, home, share_converted, tiny_e5, dimensions):
        pytest.importorskip("openvino")
        share_converted(home)
        model = veclab.load(str(tiny_e5), engine="openvino", dimensions=dimensions, threads=2)
        check_provider(model.provider)

    def test_words(self, tmp_path):
        words = {word for text in TEXTS for word in text.split()}
        random = np.random.default_rng(0)
        table = {word: random.normal(size=8).tolist() for word in sorted(words)}
        check_provider(veclab.load(str(write_words(tmp_path / "words.vec", table))).provider)

    def test_static(self):
        pytest.importorskip("wordllama")
        check_provider(veclab.load("wordllama").provider)

    @pytest.mark.parametrize("name", ["text-embedding-3-small", "own"])
    def test_an_endpoint(self, monkeypatch, name):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with OpenAIServer() as server:
            server.models |= {"own": 64}
            model = veclab.load(f"openai:{name}", dimensions=64, base_url=server.url)
            check_provider(model.provider)


class Miscounts(FakeProvider):
    def tokenize(self, texts, role):
        return [TokenizedText(text, len(texts)) for text in texts]


class CountsWhatItReads(FakeProvider):
    def tokenize(self, texts, role):
        limit = self.limits.max_tokens
        return [t._replace(tokens=min(t.tokens, limit)) for t in super().tokenize(texts, role)]


class ReadsTooMuch(FakeProvider):
    def vector(self, text, role=None):
        seed = sum(ord(letter) * i for i, letter in enumerate(text))
        return np.random.default_rng(seed).normal(size=8).astype(np.float32)


class LosesTheOrder(FakeProvider):
    def embed_batch(self, batch, role):
        return super().embed_batch(sorted(batch), role)


class DependsOnItsCompany(FakeProvider):
    def embed_batch(self, batch, role):
        vectors = super().embed_batch(batch, role)
        return vectors + vectors.mean(axis=0)


class GivesOneVectorToAll(FakeProvider):
    def vector(self, text, role=None):
        return np.ones(8, np.float32)


class TooShort(FakeProvider):
    def embed_batch(self, batch, role):
        return super().embed_batch(batch, role)[:, :7]


class DiesOfEmoji(FakeProvider):
    def embed_batch(self, batch, role):
        if not all(one.text.isascii() for one in batch):
            return np.full((len(batch), 8), np.nan)
        return super().embed_batch(batch, role)


class ChangesItsText(FakeProvider):
    def tokenize(self, texts, role):
        return super().tokenize([text.upper() for text in texts], role)


class ClaimsAPrompt(FakeProvider):
    def __init__(self):
        super().__init__()
        self.space = veclab.Space("fake", "fake", 8, prompts=(("query", "query: "),))


class SharesABuffer(FakeProvider):
    """The first batch of a thread waits for another's, and takes that for its own."""

    def __init__(self):
        super().__init__(concurrency=2)
        self.first, self.meanwhile, self.buffer = threading.Lock(), threading.Event(), None

    def embed_batch(self, batch, role):
        if threading.current_thread() is not threading.main_thread():
            if self.first.acquire(blocking=False):
                self.meanwhile.wait(HANG_S)
                return super().embed_batch(self.buffer, role)
            self.buffer = self.buffer or batch
            self.meanwhile.set()
        return super().embed_batch(batch, role)


class NeverForgets(FakeProvider):
    def pop_warnings(self):
        return ["something odd"]


class HasNoSpace(FakeProvider):
    def __init__(self):
        super().__init__()
        del self.space


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (HasNoSpace, "must set `space`"),
        (Miscounts, "as many tokens alone as among others"),
        (ChangesItsText, "with the text as given"),
        (CountsWhatItReads, "must count all tokens"),
        (ReadsTooMuch, "differ only behind max_tokens"),
        (LosesTheOrder, "in the order of the texts"),
        (DependsOnItsCompany, "the same vector alone as among others"),
        (GivesOneVectorToAll, "different texts got the same vector"),
        (TooShort, r"must return an array \(5, 8\).*not \(5, 7\)"),
        (DiesOfEmoji, "NaN or infinity"),
        (ClaimsAPrompt, "the prompt for role='query' must be"),
        (SharesABuffer, r"safe to call from limits\.concurrency = 2 threads"),
        (NeverForgets, "pop_warnings must forget"),
    ],
)
def test_what_is_wrong_is_named(wrong, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_provider(wrong())


def test_a_class_that_only_looks_like_a_provider_is_refused():
    class Alike:
        space = veclab.Space("fake", "fake", 8)

    with pytest.raises(AssertionError, match=r"derived from veclab\.EmbeddingProvider"):
        check_provider(Alike())
    with pytest.raises(veclab.InputError, match=r"Alike.*docs/providers\.md"):
        veclab.Model(Alike())


def test_the_page_in_the_docs_runs_and_prints_what_it_shows(tmp_path, home):
    page = DOCS.read_text(encoding="utf-8")
    blocks = page.split("```")[1::2]
    code = "\n".join(b.removeprefix("python\n") for b in blocks if b.startswith("python\n"))
    shown = next(b for b in blocks if b.startswith("\n[["))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == shown.strip()
