"""Chunks: exact spans, nothing over the size, nothing lost."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import veclab
from veclab.documents import Block, Document, chunk_document
from veclab.errors import InputError


def count(texts):
    """A model that counts words and signs, and adds two special tokens."""
    return [len(re.findall(r"\w+|[^\w\s]", text)) + 2 for text in texts]


def document(*blocks):
    """A document of (headings, text) blocks."""
    text, made = "", []
    for headings, words in blocks:
        text += "\n\n" if text else ""
        made.append(Block(len(text), len(text) + len(words), tuple(headings)))
        text += words
    return Document("d", "d", text, "d", "text", tuple(made), (), "", "")


def test_a_short_document_is_one_chunk():
    (chunk,) = chunk_document(document(([], "One two three.")), count)
    assert (chunk.text, chunk.start, chunk.end, chunk.tokens) == ("One two three.", 0, 14, 6)


def test_sections_are_kept_apart_and_read_with_their_headings():
    doc = document(
        (["Pets"], "Pets"),
        (["Pets", "Cats"], "Cats sleep " * 20),
        (["Pets", "Dogs"], "Dogs bark " * 20),
    )
    cats, dogs = chunk_document(doc, count, chunk_size=64)
    assert cats.text.startswith("Pets\n\nCats sleep")
    assert dogs.headings == ("Pets", "Dogs")
    assert dogs.to_embed.startswith("Pets > Dogs\nDogs bark")
    assert dogs.tokens == count([dogs.to_embed])[0]


def test_overlap_repeats_the_end_of_the_chunk_before():
    doc = document(([], " ".join(f"Sentence number {i} is here." for i in range(40))))
    chunks = chunk_document(doc, count, chunk_size=40, overlap=10)
    assert all(b.start < a.end for a, b in itertools.pairwise(chunks))


def test_a_path_of_long_headings_leaves_room_for_words():
    doc = document((["long " * 100, "Short"], "word " * 100))
    assert chunk_document(doc, count, chunk_size=32)[0].prefix == "Short\n"


def test_a_letter_with_more_accents_than_a_chunk_has_tokens_is_cut():
    doc = document(([], "a" + "\u0301" * 100))
    chunks = chunk_document(doc, lambda texts: [len(text) for text in texts], chunk_size=30)
    assert all(chunk.tokens <= 30 for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == doc.text


def test_real_tokenizers_agree_that_no_chunk_is_over_the_size(tiny_bert):
    model = veclab.load(str(tiny_bert), cache=False)
    doc = document((["the mat"], "the cat sits on the mat. a feline rests! " * 30))
    chunks = chunk_document(doc, model.count_tokens, chunk_size=model.max_tokens, overlap=4)
    assert max(model.count_tokens([chunk.to_embed for chunk in chunks])) <= model.max_tokens


@pytest.mark.parametrize("options", [{"chunk_size": 9}, {"overlap": 200}, {"overlap": -1}])
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(InputError):
        chunk_document(document(([], "text")), count, **options)


words = st.text(st.characters(codec="utf-8"), max_size=200)
headings = st.lists(st.sampled_from(["A", "B", "C c c"]), max_size=3)


@settings(deadline=None)
@given(
    st.lists(st.tuples(headings, words.filter(str.strip)), min_size=1, max_size=6),
    st.integers(12, 40),
    st.integers(0, 6),
    st.booleans(),
)
def test_spans_are_exact_and_every_word_is_in_a_chunk(blocks, size, overlap, heading_in_text):
    doc = document(*blocks)
    chunks = chunk_document(
        doc, count, chunk_size=size, overlap=overlap, heading_in_text=heading_in_text
    )
    covered = set()
    for chunk in chunks:
        assert doc.text[chunk.start : chunk.end] == chunk.text
        assert chunk.tokens == count([chunk.to_embed])[0] <= size
        covered.update(range(chunk.start, chunk.end))
    assert {i for i, letter in enumerate(doc.text) if not letter.isspace()} <= covered
