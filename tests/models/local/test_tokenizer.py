"""Tokens counted from the folder alone are those the model counts."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

import veclab
from veclab import ModelUnavailable
from veclab.models.catalog import find_model
from veclab.models.local.tokenizer import open_tokenizer

EXAMPLES = Path(__file__).parents[3] / "examples" / "packages.jsonl.gz"
ODD = [
    "",
    "z",
    "The CAT",
    "\u00dcber na\u00efve caf\u00e9",
    "\u4f60\u597d",
    "word " * 600,
    "a\nb\tc",
]


def test_counts_are_those_of_the_default_model():
    with gzip.open(EXAMPLES, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["description"] for line in file][:200] + ODD
    counted = open_tokenizer(find_model("all-MiniLM-L6-v2")).count(texts)
    assert counted == veclab.load(cache=False).count_tokens(texts)
    assert max(counted) > 512  # nothing is cut


@pytest.mark.parametrize("role", [None, "query", "document"])
def test_prompts_count_as_the_model_counts_them(tiny_e5, role):
    counted = open_tokenizer(find_model(str(tiny_e5))).count(ODD, role)
    assert counted == veclab.load(str(tiny_e5), cache=False).count_tokens(ODD, role=role)


def test_a_folder_without_the_file_has_none_and_a_damaged_one_is_refused(tiny_bert, tmp_path):
    folder = find_model(str(tiny_bert))
    file = folder.transformer / "tokenizer.json"
    content = file.read_text()
    try:
        file.write_text("{")
        with pytest.raises(ModelUnavailable, match=r"tokenizer\.json cannot be read"):
            open_tokenizer(folder)
        file.unlink()
        assert open_tokenizer(folder) is None
    finally:
        file.write_text(content)


def test_it_needs_no_torch(environment):
    code = (
        "import sys; from veclab.models.catalog import find_model\n"
        "from veclab.models.local.tokenizer import open_tokenizer\n"
        "assert open_tokenizer(find_model('all-MiniLM-L6-v2')).count(['hello']) == [3]\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_the_model_card_names_its_languages(tiny_bert):
    assert find_model("all-MiniLM-L6-v2").languages == ("en",)
    card = tiny_bert / "README.md"
    before = card.read_text() if card.exists() else None
    try:
        card.write_text("---\nlicense: mit\nlanguage:\n- en\n- 'de'\ntags:\n- x\n---\n- no\n")
        assert find_model(str(tiny_bert)).languages == ("en", "de")
        card.write_text("no front matter\nlanguage: en\n")
        assert find_model(str(tiny_bert)).languages == ()
    finally:
        card.unlink() if before is None else card.write_text(before)
