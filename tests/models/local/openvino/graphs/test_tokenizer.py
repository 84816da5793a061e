"""The tokenizer that a graph goes with: the one that transformers makes of the same files."""

import shutil

import pytest

from tests.tiny import edit_json
from veclab.models.local.folder import read_folder
from veclab.models.local.openvino.graphs.tokenizer import read_tokenizer
from veclab.models.local.openvino.graphs.unknown import NotKnown

pytest.importorskip("tokenizers")
TEXTS = ["The Cat", "naïve café", "a [MASK] b [SEP]", "日本語", "<pad> x <mask>", "", " a  b "]


@pytest.fixture
def folder(tiny_bert, tmp_path):
    return shutil.copytree(tiny_bert, tmp_path / "m")


def ids(path):
    tokenizer = read_tokenizer(read_folder(path, name="m"))
    return [one.ids for one in tokenizer.encode_batch(TEXTS)]


def original(path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(path), device="cpu")
    return [model.tokenizer(text)["input_ids"] for text in TEXTS]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"do_lower_case": False},
        {"strip_accents": False},
        {"tokenize_chinese_chars": False},
        {"do_lower_case": False, "strip_accents": True},
    ],
)
def test_settings_are_followed(folder, settings):
    edit_json(folder / "tokenizer_config.json", **settings)
    assert ids(folder) == original(folder)


def test_bytes(tmp_path):
    from tests.tiny import make_roberta

    path = make_roberta(tmp_path / "m")
    assert ids(path) == original(path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"split_special_tokens": True}, "splits special tokens"),
        ({"add_bos_token": True, "add_eos_token": False}, "how a text begins and ends"),
    ],
)
def test_what_would_be_another_tokenizer_is_refused(folder, settings, reason):
    edit_json(folder / "tokenizer_config.json", **settings)
    with pytest.raises(NotKnown, match=reason):
        ids(folder)


def test_one_without_a_tokenizer_json_is_refused(folder):
    (folder / "tokenizer.json").rename(folder / "vocab.txt")
    with pytest.raises(NotKnown, match=r"no tokenizer.json"):
        ids(folder)
