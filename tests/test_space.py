"""A Space says which vectors may be compared; a Recipe which vector one would get again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab import InputError, Recipe, Space, SpaceMismatch
from veclab.space import require_same

MINILM = Space(
    "local", "sentence-transformers/all-MiniLM-L6-v2", 384, weights="53aa", pooling="mean"
)

spaces = st.builds(
    Space,
    provider=st.text(min_size=1, max_size=8),
    model=st.text(min_size=1, max_size=20),
    dimensions=st.integers(1, 5000),
    weights=st.none() | st.text("0123456789abcdef", min_size=4, max_size=64),
    pooling=st.none() | st.sampled_from(["mean", "cls"]),
    prompts=st.dictionaries(st.sampled_from(["query", "document"]), st.text()).map(
        lambda prompts: tuple(prompts.items())
    ),
    normalized=st.booleans(),
    endpoint=st.none() | st.text(),
)


@given(spaces)
def test_json_gives_the_same_space_back(space):
    assert Space.from_json(space.to_json()) == space
    assert Space.from_json(space.to_json()).id == space.id


def test_the_id_is_the_same_on_every_machine():
    assert MINILM.id == "2049b8d530e0d2b7"


def test_the_order_of_prompts_and_empty_prompts_do_not_matter():
    one = replace(MINILM, prompts=(("query", "q: "), ("document", "d: "), ("default", "")))
    two = replace(MINILM, prompts=(("document", "d: "), ("query", "q: ")))
    assert one == two
    assert one.id == two.id


def test_the_same_weights_under_another_name_are_the_same_space():
    renamed = replace(MINILM, model="my-copy")
    assert renamed.id == MINILM.id
    assert MINILM.difference(renamed) == {}
    require_same(MINILM, renamed)


def test_without_known_weights_the_name_decides():
    small = Space("openai", "text-embedding-3-small", 1536)
    assert small.id != replace(small, model="text-embedding-ada-002").id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provider", "openai"),
        ("dimensions", 256),
        ("weights", "beef"),
        ("pooling", "cls"),
        ("prompts", (("query", "query: "),)),
        ("normalized", False),
        ("endpoint", "http://localhost"),
    ],
)
def test_any_other_difference_is_refused_and_named(field, value):
    other = replace(MINILM, **{field: value})
    with pytest.raises(SpaceMismatch) as refusal:
        require_same(MINILM, other, names=("index", "query"))
    message = str(refusal.value)
    assert field in message
    assert "index" in message
    assert "Embed one of the two again" in message


@pytest.mark.parametrize("text", ["", "[]", '{"provider": 1}', '{"color": "red"}', "\x00"])
def test_what_is_not_a_space_is_refused(text):
    with pytest.raises(InputError):
        Space.from_json(text)


RECIPE = Recipe(MINILM, role="query", tokenizer="abc", prepare=("nfc.1",), max_tokens=256)


def test_a_recipe_survives_json():
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE
    assert Recipe.from_json(RECIPE.to_json()).id == RECIPE.id


@pytest.mark.parametrize("text", ["", "{}", '{"space": 3}'])
def test_what_is_not_a_recipe_is_refused(text):
    with pytest.raises(InputError):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("space", replace(MINILM, weights="beef")),
        ("role", "document"),
        ("precision", "int8"),
        ("tokenizer", "other"),
        ("prepare", ("nfc.1", "whitespace.1")),
    ],
)
def test_what_changes_a_vector_changes_both_cache_keys(field, value):
    other = replace(RECIPE, **{field: value})
    assert other.whole_key != RECIPE.whole_key
    assert other.cut_key != RECIPE.cut_key
    assert other.id != RECIPE.id


@pytest.mark.parametrize(("field", "value"), [("max_tokens", 128), ("on_long", "split")])
def test_limit_and_policy_change_only_the_vectors_of_long_texts(field, value):
    other = replace(RECIPE, **{field: value})
    assert other.whole_key == RECIPE.whole_key
    assert other.cut_key != RECIPE.cut_key


def test_the_models_label_changes_no_key():
    renamed = replace(RECIPE, space=replace(MINILM, model="my-copy"))
    assert (renamed.whole_key, renamed.cut_key) == (RECIPE.whole_key, RECIPE.cut_key)
