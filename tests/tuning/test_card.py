"""The model card: what hubs read of it is what was given, whatever the names hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.tuning.making import numbered
from veclab.errors import OutputError
from veclab.models.local.folder import read_folder
from veclab.tuning.card import card, write_card
from veclab.tuning.method import Trained
from veclab.tuning.proof import Change, Proof
from veclab.tuning.split import split

CHANGE = Change("numbered", "ndcg@10", "20 queries", 0.25, 0.5, 0.25, 0.2, 0.3, 0.001)


@pytest.fixture
def facts(tiny_bert):
    """All that a card is made of."""
    base = read_folder(tiny_bert, name='a "quoted" name: with a colon')
    parts = split(numbered(40), 0.5)
    trained = Trained("adapter", {"steps": 3}, ("a note of the method",))
    proof = Proof(CHANGE, replace(CHANGE, data="general"), (), (), ())
    return base, parts.train, parts, trained, proof


def test_it_tells_all_of_it(facts):
    said = card("tuned", *facts)
    for expected in ("# tuned", "- steps: 3", "- a note of the method", "Gain proven",
                     "| general | 20 queries | ndcg@10 | 0.2500 | 0.5000 | +0.2500 |"):  # fmt: skip
        assert expected in said
    assert facts[0].weights in said
    assert facts[1].digest in said


def test_its_head_is_yaml_whatever_the_name(facts):
    yaml = pytest.importorskip("yaml")
    head = card("tuned", *facts).split("---\n")[1]
    assert yaml.safe_load(head)["base_model"] == 'a "quoted" name: with a colon'
    assert "license" not in yaml.safe_load(head)


def test_no_text_of_the_data_is_in_it(facts):
    assert "query number" not in card("tuned", *facts)


def test_where_it_cannot_be_written_it_says_so(facts, tmp_path):
    with pytest.raises(OutputError, match="model card cannot be written"):
        write_card(tmp_path / "missing", "tuned", *facts)
