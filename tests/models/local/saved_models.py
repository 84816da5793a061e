"""A tiny random model of every kind that sentence-transformers can save, and of every setting.

`MAKERS` has a function for each; it gets a place for folders and returns the folder that it made.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
from sentence_transformers.sentence_transformer.modules import (
    CNN,
    LSTM,
    BoW,
    Dropout,
    LayerNorm,
    Pooling,
    StaticEmbedding,
    WeightedLayerPooling,
    WordEmbeddings,
    WordWeights,
)
from sentence_transformers.sentence_transformer.modules.tokenizer import WhitespaceTokenizer

from tests.tiny import edit_json, make_bert, make_roberta

LIMIT = 16
WORDS = ["PAD", "the", "cat", "sits", "mat", "feline", "rests", "stock", "markets", "fell"]
ROLES = {"query": "query: ", "document": "passage: "}
MAKERS: dict[str, Callable[[Path], Path]] = {}
IDENTITY = torch.nn.Identity


def bert(at: Path) -> Transformer:
    """The transformer of most of them."""
    base = at / "bert"
    if not base.exists():
        make_bert(base, max_tokens=LIMIT)
    return Transformer(str(base))


def save(at: Path, name: str, modules: list, **options) -> Path:
    path = at / name
    SentenceTransformer(modules=modules, device="cpu", **options).save(str(path))
    return path


def made(name: str, parts: Callable[[Path], list], **options) -> None:
    """Add a model of these parts, saved with these options."""

    def make(at: Path) -> Path:
        torch.manual_seed(1)
        return save(at, name.replace(" ", "-"), parts(at), **options)

    MAKERS[name] = make


def changed(name: str, change: Callable[[Path], None], parts=None) -> None:
    """Add a model whose saved folder is changed, as another version would have written it."""

    def make(at: Path) -> Path:
        path = save(
            at, name.replace(" ", "-"), [bert(at), Pooling(32)] if parts is None else parts(at)
        )
        change(path)
        return path

    MAKERS[name] = make


def set_in(file: str, **settings) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        if not (path / file).exists():
            (path / file).write_text("{}")
        edit_json(path / file, **settings)

    return change


SETTINGS = "sentence_bert_config.json"
MODEL = "config_sentence_transformers.json"

# Pooling: every mode, two at once, and without the prompt.
for mode in ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"):
    made(f"pooling {mode}", lambda at, mode=mode: [bert(at), Pooling(32, pooling_mode=mode)])
made("pooling two modes", lambda at: [bert(at), Pooling(32, pooling_mode=("mean", "max"))])
made("pooling without prompt", lambda at: [bert(at), Pooling(32, include_prompt=False)],
     prompts=ROLES)  # fmt: skip

# Prompts, under the names that models use.
made("prompts", lambda at: [bert(at), Pooling(32)], prompts=ROLES)
made("prompts passage", lambda at: [bert(at), Pooling(32)], prompts={"passage": "passage: "})
made("prompts default", lambda at: [bert(at), Pooling(32)], prompts={"sts": "text "},
     default_prompt_name="sts")  # fmt: skip
changed("prompts of version 3", lambda path: (path / MODEL).write_text(json.dumps(
    {"prompts": {"sts": "text ", "passage": "passage: "}, "default_prompt_name": "sts"}
)))  # fmt: skip
changed("prompts of None", set_in(MODEL, prompts={"query": None, "document": "passage: "}))
changed("prompts default unknown", set_in(MODEL, default_prompt_name="none"))

# Parts behind and before pooling.
made("dense", lambda at: [bert(at), Pooling(32), Dense(32, 8)])
made(
    "dense identity",
    lambda at: [bert(at), Pooling(32), Dense(32, 8, activation_function=IDENTITY())],
)
made(
    "dense residual",
    lambda at: [bert(at), Pooling(32), Dense(32, 8, bias=False, use_residual=True)],
)
made("dense of tokens",
     lambda at: [bert(at), Dense(32, 8, module_input_name="token_embeddings"), Pooling(8)],
)  # fmt: skip
changed("dense own code", set_in("2_Dense/config.json", activation_function="evil.Function"),
        lambda at: [bert(at), Pooling(32), Dense(32, 8)])  # fmt: skip
made("normalize", lambda at: [bert(at), Pooling(32), Normalize()])
made("normalize tokens", lambda at: [bert(at), Normalize("token_embeddings"), Pooling(32)])
made("layer norm", lambda at: [bert(at), Pooling(32), LayerNorm(32), Dropout(0.5)])
made("weighted layers", lambda at: [
    Transformer(str(bert(at) and at / "bert"), config_kwargs={"output_hidden_states": True}),
    WeightedLayerPooling(32, num_hidden_layers=2, layer_start=1), Pooling(32)])  # fmt: skip
made("convolution", lambda at: [bert(at), CNN(32, out_channels=8), Pooling(24)])


def words() -> WordEmbeddings:
    tokenizer = WhitespaceTokenizer(WORDS, stop_words=set(), do_lower_case=True)
    return WordEmbeddings(tokenizer, torch.randn(len(WORDS), 16), max_seq_length=5)


made("words", lambda at: [words(), Pooling(16)])
made("words lstm", lambda at: [words(), LSTM(16, 8), Pooling(16)])
made("words weighted", lambda at: [words(), WordWeights(WORDS, {"cat": 3.0}, 0.5), Pooling(16)])
made("words counted", lambda at: [BoW(WORDS, {"cat": 2.0}, 0.5)])
made("words counted dense", lambda at: [BoW(WORDS), Dense(len(WORDS), 8)])


def static(at: Path, size: int = 16) -> StaticEmbedding:
    from tokenizers import Tokenizer

    bert(at)
    return StaticEmbedding(
        Tokenizer.from_file(str(at / "bert" / "tokenizer.json")), embedding_dim=size
    )


made("static", lambda at: [static(at)])
made("static prompts", lambda at: [static(at), Normalize()], prompts=ROLES)
made("static truncated", lambda at: [static(at)], truncate_dim=8)
made("static dense", lambda at: [static(at), Dense(16, 8)])


def other_bert(at: Path, limit: int) -> Transformer:
    return Transformer(str(make_bert(at / f"bert-{limit}", seed=2, max_tokens=limit)))


# Routers: heads, whole routes, routes by name, in one another, and as version 2 called them.
def heads(**options) -> Router:
    return Router.for_query_document([Dense(32, 8)], [Dense(32, 8)], **options)


made("router heads", lambda at: [bert(at), Pooling(32), heads()])
made("router without default", lambda at: [
    bert(at), Pooling(32), heads(default_route=None, allow_empty_key=False)])  # fmt: skip
made("router of transformers", lambda at: [Router.for_query_document(
    [other_bert(at, LIMIT), Pooling(32)], [bert(at), Pooling(32)])])  # fmt: skip
made("router of two limits", lambda at: [Router.for_query_document(
    [other_bert(at, 32), Pooling(32)], [bert(at), Pooling(32)])])  # fmt: skip
made("router static query", lambda at: [Router.for_query_document(
    [static(at, 32)], [bert(at), Pooling(32)])])  # fmt: skip
made("router by names", lambda at: [bert(at), Pooling(32), Router(
    {"a": [Dense(32, 8)], "b": [Dense(32, 8)]},
    route_mappings={("query", None): "a", ("document", None): "b"},
    default_route="b")])  # fmt: skip
made("router in a router", lambda at: [bert(at), Pooling(32), Router(
    {"query": [Dense(32, 8), Router({"text": [LayerNorm(8)]}, default_route="text")],
     "document": [Dense(32, 8)]}, default_route="document")])  # fmt: skip


def as_asym(path: Path) -> None:
    parts = json.loads((path / "modules.json").read_text())
    router = path / parts[2]["path"]
    said = json.loads((router / "router_config.json").read_text())
    said["types"] = dict.fromkeys(said["types"], "sentence_transformers.models.Dense")
    (router / "config.json").write_text(
        json.dumps(said | {"parameters": {"allow_empty_key": True}})
    )
    (router / "router_config.json").unlink()
    parts[2]["type"] = "sentence_transformers.models.Asym"
    (path / "modules.json").write_text(json.dumps(parts))


changed("router of version 2", as_asym, lambda at: [bert(at), Pooling(32), heads()])

# Settings of the model.
made("truncated", lambda at: [bert(at), Pooling(32)], truncate_dim=8)
made("truncated and normalized", lambda at: [bert(at), Pooling(32), Normalize()], truncate_dim=8,
     similarity_fn_name="dot")  # fmt: skip
for kind in ("SparseEncoder", "CrossEncoder", "MultiVectorEncoder"):
    changed(f"type {kind}", set_in(MODEL, model_type=kind))
for kind in ("sparse_encoder.models.SpladePooling", "multi_vector_encoder.modules.MultiVectorMask"):

    def renamed(path: Path, kind=kind) -> None:
        parts = json.loads((path / "modules.json").read_text())
        parts[1]["type"] = f"sentence_transformers.{kind}"
        (path / "modules.json").write_text(json.dumps(parts))

    changed(f"part {kind.split('.')[-1]}", renamed)

# Settings of the transformer.
for name, settings in {
    "query length": {"query_length": 6, "document_length": 9},
    "processing": {"processing_kwargs": {"text": {"max_length": 6}}},
    "query expansion": {"query_expansion": {"length": 12, "strategy": "fixed"}},
    "tokenizer from elsewhere": {"tokenizer_name_or_path": "somebody/else"},
    "tokenizer limit": {"tokenizer_args": {"model_max_length": 8}},
    "tokenizer arguments": {"processor_kwargs": {"add_prefix_space": True}},
    "model arguments": {"model_args": {"attn_implementation": "eager"}},
    "weights from elsewhere": {"model_kwargs": {"subfolder": "other"}},
    "configuration arguments": {"config_args": {"num_hidden_layers": 1}},
    "task": {"transformer_task": "fill-mask"},
    "lower case": {"do_lower_case": True},
    "no limit": {"max_seq_length": 10**30},
    "limit": {"max_seq_length": 9},
}.items():
    changed(f"setting {name}", set_in(SETTINGS, **settings))
for old in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"):

    def written(path: Path, old=old) -> None:
        (path / SETTINGS).unlink()
        edit_json(path / "tokenizer_config.json", model_max_length=None)
        said = {"max_seq_length": 9, "do_lower_case": True}
        (path / f"sentence_{old}_config.json").write_text(json.dumps(said))

    changed(f"setting in sentence_{old}_config", written)
changed("tokenizer without limit", set_in("tokenizer_config.json", model_max_length=10**30))
changed("tokenizer pads left", set_in("tokenizer_config.json", padding_side="left"))
changed("tokenizer cuts left", set_in("tokenizer_config.json", truncation_side="left"))


# Transformers of other makes.
def unlisted(at: Path) -> Path:
    """A transformer alone, whose settings sentence-transformers does not look for."""
    bert(at)
    path = shutil.copytree(at / "bert", at / "unlisted")
    (path / "modules.json").unlink()
    edit_json(path / SETTINGS, max_seq_length=5)
    return path


MAKERS["transformer alone"] = unlisted
MAKERS["roberta"] = lambda at: make_roberta(at / "roberta")


def decoder(at: Path) -> Path:
    from transformers import AutoTokenizer, Qwen2Config, Qwen2Model

    bert(at)
    tokenizer = AutoTokenizer.from_pretrained(str(at / "bert"))
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(at / "qwen")
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    Qwen2Model(config).save_pretrained(at / "qwen")
    inner = Transformer(str(at / "qwen"), max_seq_length=LIMIT)
    parts = [inner, Pooling(32, pooling_mode="lasttoken"), Normalize()]
    return save(at, "decoder", parts, prompts={"query": "query: "})


def t5(at: Path) -> Path:
    from transformers import AutoTokenizer, T5Config, T5EncoderModel

    bert(at)
    tokenizer = AutoTokenizer.from_pretrained(str(at / "bert"))
    tokenizer.save_pretrained(at / "t5-base")
    config = T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2
    )
    torch.manual_seed(0)
    T5EncoderModel(config).save_pretrained(at / "t5-base")
    inner = Transformer(str(at / "t5-base"), max_seq_length=LIMIT)
    return save(at, "t5", [inner, Pooling(32), Dense(32, 8, bias=False)])


MAKERS["decoder"] = decoder
MAKERS["t5"] = t5
