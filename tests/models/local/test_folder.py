"""What a model folder says of itself, read without loading the model."""

import hashlib
import shutil

import pytest

from tests.tiny import edit_json, make_bert
from veclab import ModelUnavailable
from veclab.models.local.digests import file_digest
from veclab.models.local.folder import read_folder


@pytest.fixture
def folder(tiny_e5, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(tiny_e5, tmp_path / "model")


def test_everything_the_space_needs_is_told(tiny_e5):
    model = read_folder(tiny_e5, name="tiny-e5")
    assert (model.dimensions, model.max_tokens, model.pooling) == (32, 32, "mean")
    assert model.modules == ("Transformer", "Pooling", "Normalize")
    weights = (tiny_e5 / "model.safetensors").read_bytes()
    assert model.weights == hashlib.sha256(weights).hexdigest()
    space = model.space(32, normalized=True)
    assert dict(space.prompts) == {"query": "query: ", "document": "passage: "}


def test_prompts_follow_roles(tiny_e5, tiny_bert):
    e5 = read_folder(tiny_e5, name="tiny-e5")
    assert [e5.prompt(role) for role in ("query", "document", None)] == ["query: ", "passage: ", ""]
    plain = read_folder(tiny_bert, name="tiny-bert")
    assert [plain.prompt(role) for role in ("query", "document", None)] == ["", "", ""]


def test_a_default_prompt_is_used_without_a_role(tmp_path):
    path = make_bert(tmp_path / "m", prompts={"sts": "text "}, default_prompt="sts")
    assert read_folder(path, name="m").prompt(None) == "text "


def test_other_weights_are_another_space(tmp_path, tiny_bert):
    other = make_bert(tmp_path / "tiny-bert", seed=1)
    spaces = [read_folder(p, name="same").space(32, normalized=True) for p in (tiny_bert, other)]
    assert spaces[0].id != spaces[1].id


def test_a_model_without_a_list_of_modules_gets_mean_pooling(folder):
    (folder / "modules.json").unlink()
    assert read_folder(folder, name="m").pooling == "mean"


def test_the_limit_comes_from_the_model_before_the_tokenizer(folder):
    edit_json(folder / "sentence_bert_config.json", max_seq_length=20)
    assert read_folder(folder, name="m").max_tokens == 20


def test_no_limit_in_the_tokenizer_leaves_the_positions(folder):
    edit_json(folder / "tokenizer_config.json", model_max_length=10**30)
    assert read_folder(folder, name="m").max_tokens == 64


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda p: [f.unlink() for f in p.glob("*.json")], "holds no model"),
        (lambda p: (p / "modules.json").write_text("{"), "damaged"),
        (lambda p: (p / "modules.json").write_text('[{"idx": 0}]'), "damaged"),
        (lambda p: (p / "config.json").write_text("{"), "cannot be read"),
        (lambda p: (p / "model.safetensors").unlink(), "no weights"),
        (lambda p: (p / "model.safetensors").rename(p / "pytorch_model.bin"), "a pickle"),
        (
            lambda p: (p / "modules.json").write_text(
                '[{"idx": 0, "name": "0", "path": "", "type": "evil.Model"}]'
            ),
            "brings its own code",
        ),
    ],
)
def test_what_cannot_be_trusted_or_read_is_refused(folder, damage, complaint):
    damage(folder)
    with pytest.raises(ModelUnavailable, match=complaint):
        read_folder(folder, name="m")


class TestDigest:
    def test_is_remembered_and_follows_the_file(self, tmp_path, home):
        file = tmp_path / "weights"
        file.write_bytes(b"one")
        assert file_digest(file) == hashlib.sha256(b"one").hexdigest()
        assert (home / "digests.json").exists()
        assert file_digest(file) == hashlib.sha256(b"one").hexdigest()
        file.write_bytes(b"two")
        assert file_digest(file) == hashlib.sha256(b"two").hexdigest()

    def test_works_where_nothing_can_be_remembered(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("VECLAB_HOME", str(tmp_path / "file" / "home"))
        assert file_digest(tmp_path / "file") == hashlib.sha256(b"").hexdigest()

    @pytest.mark.parametrize("text", ["", "[]", '{"a"', "\x00"])
    def test_a_damaged_memory_is_made_anew(self, tmp_path, home, text):
        home.mkdir()
        (home / "digests.json").write_text(text)
        (tmp_path / "file").write_text("x")
        assert file_digest(tmp_path / "file") == hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(("said", "limit"), [(None, 32), (64, 32), (16, 16)])
def test_positions_counted_from_the_padding_id_leave_fewer(tmp_path, said, limit):
    """Of 34 positions a RoBERTa with padding id 1 can use 32, whatever its folder says."""
    from tests.tiny import make_roberta

    path = make_roberta(tmp_path / "m", max_tokens=32)
    edit_json(path / "sentence_bert_config.json", max_seq_length=said)
    edit_json(path / "tokenizer_config.json", model_max_length=512)
    assert read_folder(path, name="m").max_tokens == limit


def test_old_names_of_the_settings_are_read(tiny_bert, tmp_path):
    import shutil

    path = shutil.copytree(tiny_bert, tmp_path / "m")
    (path / "sentence_bert_config.json").unlink()
    (path / "sentence_roberta_config.json").write_text(
        '{"max_seq_length": 16, "do_lower_case": true}'
    )
    folder = read_folder(path, name="m")
    assert folder.max_tokens == 16
    assert dict(folder.configuration)["0.Transformer.do_lower_case"] is True
