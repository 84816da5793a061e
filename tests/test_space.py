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
    configuration=st.dictionaries(
        st.text(max_size=9),
        st.text()
        | st.integers()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False),
    ).map(lambda facts: tuple(facts.items())),
)
LAYERS = replace(MINILM, configuration=(("layers", 6), ("activation", "gelu")))


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
        ("configuration", (("layers", 6),)),
    ],
)
def test_any_other_difference_is_refused_and_named(field, value):
    other = replace(MINILM, **{field: value})
    with pytest.raises(SpaceMismatch) as refusal:
        require_same(MINILM, other, names=("index", "query"))
    message = str(refusal.value)
    assert field in message
    assert "index" in message
    assert "again" in message


def test_the_order_in_which_facts_are_written_does_not_matter():
    turned = replace(LAYERS, configuration=LAYERS.configuration[::-1])
    assert (turned, turned.id) == (LAYERS, LAYERS.id)


def test_a_fact_of_the_configuration_that_differs_is_named():
    other = replace(LAYERS, configuration=(("activation", "gelu"), ("layers", 3), ("more", "x")))
    assert LAYERS.difference(other) == {"layers": (6, 3), "more": (None, "x")}
    with pytest.raises(SpaceMismatch, match=r"layers  index: 6   query: 3"):
        require_same(LAYERS, other, names=("index", "query"))


# What version 1 wrote, to the letter.
OLD = (
    '{"dimensions":384,"endpoint":null,"model":"sentence-transformers/all-MiniLM-L6-v2",'
    '"normalized":true,"pooling":"mean","prompts":{},"provider":"local","weights":"53aa"}'
)
OLD_BOUGHT = (
    '{"dimensions":1536,"endpoint":null,"model":"text-embedding-3-small","normalized":true,'
    '"pooling":null,"prompts":{},"provider":"openai","weights":null}'
)


def test_what_version_1_wrote_is_read_and_keeps_its_id():
    assert Space.from_json(OLD) == MINILM
    assert Space.from_json(OLD).id == "2049b8d530e0d2b7"
    assert (Space.from_json(OLD).version, LAYERS.version) == (1, 2)
    require_same(Space.from_json(OLD), Space.from_json(OLD))  # no more is known of either


def test_where_version_1_knew_all_there_is_it_is_compared():
    bought = Space("openai", "text-embedding-3-small", 1536)
    require_same(Space.from_json(OLD_BOUGHT), bought)
    # 16 hex digits and a cache prefix that version 1 gave: bought vectors stay in the cache.
    assert bought.id == "33f2a0102207a294"
    assert Recipe(bought, precision="api", max_tokens=8191).whole_key.hex() == "1853105356dac3e3"


def test_where_version_1_did_not_know_the_configuration_the_command_is_named():
    with pytest.raises(SpaceMismatch) as refusal:
        require_same(LAYERS, Space.from_json(OLD), names=("query", "index"))
    message = str(refusal.value)
    assert "written before a Space held the configuration" in message
    assert "index agrees" in message
    assert (
        "veclab embed TEXTS -o VECTORS.parquet --model sentence-transformers/all-MiniLM-L6-v2"
        in message
    )


@pytest.mark.parametrize("version", [5, "2", None, -1, True])
def test_a_version_to_come_is_refused(version):
    with pytest.raises(InputError, match="update veclab"):
        Space.from_dict(MINILM.to_dict() | {"version": version})


@pytest.mark.parametrize("fact", [["list"], {"a": 1}, None])
def test_a_fact_that_is_no_text_or_number_is_refused(fact):
    with pytest.raises(InputError, match="not a Space"):
        Space.from_dict(MINILM.to_dict() | {"configuration": {"layers": fact}})


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
