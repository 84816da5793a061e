"""Every fact of a folder that the vectors depend on is in its Space, and no other is."""

import json
import shutil

import pytest

from tests.tiny import edit_json
from veclab import ModelUnavailable
from veclab.models.local.configuration import configuration_of, transformer_facts
from veclab.models.local.folder import read_folder
from veclab.models.local.modules import read_modules

# The same architecture as transformers 4.57 and 5.24 write it, where the two differ.
SAVED_BY_BOTH = {
    "bert": (
        {"torch_dtype": "float32", "position_embedding_type": "absolute", "use_cache": True},
        {
            "dtype": "float32",
            "add_cross_attention": False,
            "bos_token_id": None,
            "eos_token_id": None,
            "is_decoder": False,
            "tie_word_embeddings": True,
            "use_cache": False,
        },
    ),
    "modernbert": (
        {
            "global_attn_every_n_layers": 3,
            "global_rope_theta": 160000.0,
            "local_rope_theta": 10000.0,
        },
        {
            "global_attn_every_n_layers": 3,
            "layer_types": [
                "full_attention",
                "sliding_attention",
                "sliding_attention",
                "full_attention",
            ],
            "rope_parameters": {
                "full_attention": {"rope_theta": 160000.0, "rope_type": "default"},
                "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
            },
        },
    ),
    "gemma3_text": (
        {"rope_local_base_freq": 10000.0, "rope_scaling": None, "rope_theta": 1000000.0},
        {
            "rope_parameters": {
                "full_attention": {"rope_theta": 1000000.0, "rope_type": "default"},
                "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
            }
        },
    ),
    "llama": (
        {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 10000},
        {"rope_parameters": {"rope_theta": 10000.0, "rope_type": "linear", "factor": 2.0}},
    ),
    "mistral": (
        {"head_dim": None, "hidden_size": 4096, "num_attention_heads": 32, "rope_theta": 1e4},
        {
            "head_dim": 128,
            "hidden_size": 4096,
            "num_attention_heads": 32,
            "rope_parameters": {"rope_theta": 1e4, "rope_type": "default"},
        },
    ),
    "bart": ({"encoder_layers": 12, "num_hidden_layers": 12}, {"encoder_layers": 12}),
}


@pytest.mark.parametrize("kind", SAVED_BY_BOTH)
def test_both_versions_of_transformers_write_the_same_facts(kind):
    old, new = SAVED_BY_BOTH[kind]
    common = {"model_type": kind, "hidden_act": "gelu"}
    assert transformer_facts(common | old) == transformer_facts(common | new)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"rope_theta": 10000.0}, {"rope_theta": 160000.0}),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, {}),
        ({"rope_scaling": {"type": "yarn", "factor": 2.0}}, {"rope_scaling": {"factor": 2.0}}),
        ({"position_embedding_type": "relative_key"}, {}),
        ({"is_decoder": True}, {}),
        ({"head_dim": 64, "hidden_size": 96, "num_attention_heads": 3}, {}),
        ({"pruned_heads": {"0": [1]}}, {}),
        (
            {"global_attn_every_n_layers": 2, "layer_types": ["full_attention"] * 3},
            {"global_attn_every_n_layers": 2},
        ),
        ({"a_setting_of_a_model_to_come": 1}, {}),
        ({"a_setting_of_a_model_to_come": True}, {"a_setting_of_a_model_to_come": 1}),
    ],
)
def test_what_a_transformer_reads_is_a_fact(one, other):
    assert json.dumps(transformer_facts(one)) != json.dumps(transformer_facts(other))


@pytest.fixture
def folder(tiny_bert, tmp_path):
    """A copy of a folder with a Dense part, that a test may change."""
    import numpy as np
    from safetensors.numpy import save_file

    path = tmp_path / "model"
    shutil.copytree(tiny_bert, path)
    listing = json.loads((path / "modules.json").read_text())
    dense = {"idx": 3, "name": "3", "path": "3_Dense"}
    listing.append(dense | {"type": "sentence_transformers.models.Dense"})
    (path / "modules.json").write_text(json.dumps(listing))
    (path / "3_Dense").mkdir()
    (path / "3_Dense" / "config.json").write_text(
        json.dumps(
            {
                "in_features": 32,
                "out_features": 4,
                "bias": True,
                "activation_function": "torch.nn.modules.activation.Tanh",
            }
        )
    )
    numbers = np.zeros((4, 32), np.float32)
    save_file({"linear.weight": numbers, "linear.bias": numbers[:, 0].copy()},
              path / "3_Dense" / "model.safetensors")  # fmt: skip
    return path


def space(path):
    return read_folder(path, name="any").space(4, normalized=True)


def rewrite(file, change):
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def without_normalize(path):
    rewrite(path / "modules.json", lambda all_: [m for m in all_ if "Normalize" not in m["type"]])


def normalize_last(path):
    rewrite(path / "modules.json", lambda all_: [*all_[:2], all_[3], all_[2]])


def other_tokens(path):
    def swapped(tokenizer):
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
        return tokenizer

    rewrite(path / "tokenizer.json", swapped)


def keep_case(path):
    def cased(tokenizer):
        tokenizer["normalizer"]["lowercase"] = False
        return tokenizer

    rewrite(path / "tokenizer.json", cased)


def edit(file, **changes):
    return lambda path: edit_json(path / file, **changes)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (edit("config.json", num_hidden_layers=1), "0.Transformer.num_hidden_layers"),
        (edit("config.json", hidden_act="relu"), "0.Transformer.hidden_act"),
        (edit("config.json", layer_norm_eps=1e-3), "0.Transformer.layer_norm_eps"),
        (edit("config.json", num_attention_heads=4), "0.Transformer.num_attention_heads"),
        (edit("sentence_bert_config.json", do_lower_case=True), "0.Transformer.do_lower_case"),
        (edit("tokenizer_config.json", do_lower_case=False), "0.Transformer.tokenizer.do_lower"),
        (edit("tokenizer_config.json", unk_token="[MASK]"), "0.Transformer.tokenizer.unk_token"),
        (other_tokens, "0.Transformer.tokenizer.json"),
        (keep_case, "0.Transformer.tokenizer"),
        (edit("1_Pooling/config.json", pooling_mode="cls"), "pooling"),
        (edit("1_Pooling/config.json", include_prompt=False), "pooling"),
        (without_normalize, "modules"),
        (normalize_last, "modules"),
        (
            edit("3_Dense/config.json", activation_function="torch.nn.modules.linear.Identity"),
            "3.Dense.activation_function",
        ),
        (edit("3_Dense/config.json", use_residual=True), "3.Dense.use_residual"),
        (edit("config_sentence_transformers.json", prompts={"query": "q: "}), "prompts"),
    ],
)  # fmt: skip
def test_a_change_that_the_computation_sees_is_another_space(folder, change, named):
    before = space(folder)
    change(folder)
    assert space(folder).id != before.id
    assert any(name.startswith(named) for name in before.difference(space(folder)))


def the_old_way(path):
    """As sentence-transformers 5 with transformers 4 writes the same."""
    (path / "1_Pooling" / "config.json").write_text(
        json.dumps(
            {
                "word_embedding_dimension": 32,
                "pooling_mode_cls_token": False,
                "pooling_mode_mean_tokens": True,
            }
        )
    )
    names = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    parts = [
        {"idx": n, "name": str(n), "path": at, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, at) in enumerate((names | {"Dense": "3_Dense"}).items())
    ]
    (path / "modules.json").write_text(json.dumps(parts))
    (path / "sentence_bert_config.json").write_text(
        '{"max_seq_length": 32, "do_lower_case": false}'
    )
    rewrite(
        path / "config.json",
        lambda config: (
            {
                name: fact
                for name, fact in config.items()
                if name not in ("is_decoder", "add_cross_attention", "dtype", "tie_word_embeddings")
            }
            | {"torch_dtype": "float32", "transformers_version": "4.57.3", "use_cache": True}
        ),
    )
    edit_json(
        path / "tokenizer_config.json",
        added_tokens_decoder={"0": {"content": "[PAD]", "special": True}},
        clean_up_tokenization_spaces=True,
        tokenizer_class="BertTokenizerFast",
    )
    shutil.rmtree(path / "2_Normalize")


@pytest.mark.parametrize(
    "change",
    [
        the_old_way,
        edit("config.json", _name_or_path="elsewhere", transformers_version="6.0"),
        edit("config.json", hidden_dropout_prob=0.5, initializer_range=1.0),
        edit("config.json", id2label={"0": "A"}, architectures=["BertForMaskedLM"]),
        edit("tokenizer.json", truncation={"max_length": 9}, padding={"strategy": "BatchLongest"}),
        edit("tokenizer_config.json", name_or_path="elsewhere", never_split=None),
        edit("config_sentence_transformers.json", similarity_fn_name="dot", __version__={}),
        edit("3_Dense/config.json", module_input_name="sentence_embedding"),
        lambda path: (path / "README.md").write_text("another card"),
    ],
)
def test_what_the_computation_does_not_see_changes_nothing(folder, change):
    before = space(folder)
    change(folder)
    assert before.difference(space(folder)) == {}
    assert before.id == space(folder).id


def test_a_dropout_computes_nothing(folder):
    before = space(folder)
    at = {"idx": 4, "name": "4", "path": "4_Dropout"}
    rewrite(
        folder / "modules.json",
        lambda all_: [*all_[:2], at | {"type": "sentence_transformers.models.Dropout"}, *all_[2:]],
    )
    (folder / "4_Dropout").mkdir()
    assert before.id == space(folder).id


def test_versions_of_the_tokenizers_library_write_one_tokenizer_in_several_ways(tmp_path):
    from veclab.models.local.tokenizer_facts import tokenizer_digest

    old, new = tmp_path / "old.json", tmp_path / "new.json"
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}}
    old.write_text(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [],
                "pre_tokenizer": {
                    "type": "Metaspace",
                    "replacement": "_",
                    "add_prefix_space": True,
                },
                "model": model | {"merges": ["a b"]},
            }
        )
    )
    new.write_text(
        json.dumps(
            {
                "version": "1.0",
                "pre_tokenizer": {
                    "type": "Metaspace",
                    "replacement": "_",
                    "prepend_scheme": "always",
                    "split": True,
                },
                "model": model | {"merges": [["a", "b"]], "byte_fallback": False, "dropout": None},
                "decoder": {"type": "Metaspace", "replacement": "_"},
            }
        )
    )
    assert tokenizer_digest(old) == tokenizer_digest(new)


@pytest.fixture(scope="module")
def routed(tmp_path_factory):
    """A function that makes a model with a head for queries and one for documents."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Router

    from tests.tiny import make_bert

    base = make_bert(tmp_path_factory.mktemp("routed") / "base")

    def make(path, query, document):
        """Each head with random weights of that seed."""
        heads = []
        for seed in (query, document):
            torch.manual_seed(seed)
            heads.append(Dense(32, 8))
        if query == document:
            heads[1] = heads[0]
        router = Router.for_query_document(query_modules=[heads[0]], document_modules=[heads[1]])
        model = SentenceTransformer(str(base), device="cpu")
        SentenceTransformer(modules=[*list(model)[:2], router], device="cpu").save(str(path))
        return path

    return make


def test_the_parts_of_each_route_count_and_which_route_they_are_in(routed, tmp_path):
    one, other, swapped, shared = (
        space(routed(tmp_path / str(n), *seeds))
        for n, seeds in enumerate([(1, 2), (1, 3), (2, 1), (1, 1)])
    )
    assert len({one.id, other.id, swapped.id, shared.id}) == 4
    facts = dict(one.configuration)
    assert facts["2.Router.query.modules"] == "Dense"
    assert facts["2.Router.document.0.Dense.activation_function"].endswith("Tanh")


def test_a_setting_deep_in_a_route_counts(routed, tmp_path):
    path = routed(tmp_path / "model", 1, 2)
    before = space(path)
    head = next(path.glob("2_Router/query_0_*/config.json"))
    edit_json(head, activation_function="torch.nn.modules.linear.Identity")
    assert "2.Router.query.0.Dense.activation_function" in before.difference(space(path))


@pytest.mark.parametrize("at", ["../elsewhere", "/etc"])
def test_a_part_outside_of_the_folder_is_refused(folder, at):
    rewrite(folder / "modules.json", lambda all_: [*all_[:3], all_[3] | {"path": at}])
    with pytest.raises(ModelUnavailable, match="leads out of the model's folder"):
        read_folder(folder, name="any")


def test_an_adapter_is_refused_since_its_weights_are_elsewhere(folder):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="merge_and_unload"):
        read_folder(folder, name="any")


def test_a_plain_transformer_is_the_same_as_one_saved_with_mean_pooling(tiny_bert, tmp_path):
    path = tmp_path / "plain"
    shutil.copytree(tiny_bert, path)
    without_normalize(path)
    saved = configuration_of(read_modules(path))
    (path / "modules.json").unlink()
    assert configuration_of(read_modules(path)) == saved
