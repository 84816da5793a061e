"""Sentence Transformers models of a few kilobytes, made on the spot, real in every other way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

WORDS = [
    *"abcdefghijklmnopqrstuvwxyz0123456789.,:!?",
    *("the cat sits on mat a feline rests carpet stock markets fell query passage text").split(),  # noqa: SIM905
]


def make_bert(
    path: Path, *, prompts=None, default_prompt=None, pooling="mean", max_tokens=32, seed=0
) -> Path:
    """A random BERT with two layers of 32 units, saved as a Sentence Transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(seed)
    path.mkdir(parents=True, exist_ok=True)
    base = path.parent / f"{path.name}-base"
    base.mkdir(exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    vocabulary += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    (base / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizerFast(vocab=str(base / "vocab.txt"), model_max_length=max_tokens).save_pretrained(
        base
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(base)
    transformer = Transformer(str(base), max_seq_length=max_tokens)
    modules = [transformer, Pooling(32, pooling_mode=pooling), Normalize()]
    model = SentenceTransformer(
        modules=modules, prompts=prompts, default_prompt_name=default_prompt, device="cpu"
    )
    model.save(str(path))
    return path


_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
VOCABULARY = len(_SPECIAL) + 256


def byte_tokenizer(max_tokens):
    """A tokenizer that makes a token of each byte, `<s>` in front and `</s>` behind."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*_SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = ("bos", "pad", "eos", "unk", "mask")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in zip(names, _SPECIAL, strict=True)},
    )


def make_roberta(path: Path, *, max_tokens=32, seed=0) -> Path:
    """A random XLM-RoBERTa: positions counted from the padding id, no token types, byte tokens."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(seed)
    base = path.parent / f"{path.name}-base"
    byte_tokenizer(max_tokens).save_pretrained(base)
    config = XLMRobertaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=max_tokens + 2,
        pad_token_id=1,
    )
    XLMRobertaModel(config).save_pretrained(base)
    transformer = Transformer(str(base), max_seq_length=max_tokens)
    modules = [transformer, Pooling(32, pooling_mode="mean"), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(path))
    return path


def make_any(path: Path, model, *, after=(), max_tokens=32, **saving) -> Path:
    """A Sentence Transformers folder around a transformer of any kind, with byte tokens.

    Args:
        path: the folder.
        model: of transformers, with a vocabulary of VOCABULARY tokens.
        after: the modules behind it; by default mean pooling.
        max_tokens: the limit.
        saving: for the transformer's own `save_pretrained` (`max_shard_size`, ...).
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    base = path.parent / f"{path.name}-base"
    byte_tokenizer(max_tokens).save_pretrained(base)
    model.save_pretrained(base, **saving)
    transformer = Transformer(str(base), max_seq_length=max_tokens)
    after = list(after) or [Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")]
    SentenceTransformer(modules=[transformer, *after], device="cpu").save(str(path))
    if saving:  # keeps files as they were saved: types and pieces
        for file in path.glob("*.safetensors*"):
            file.unlink()
        for file in base.glob("*.safetensors*"):
            shutil.copy(file, path)
    return path


def make_electra(path: Path, *, pooling="mean", seed=0) -> Path:
    """A random ELECTRA, an architecture that no builder of graphs knows."""
    import torch
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import ElectraConfig, ElectraModel

    torch.manual_seed(seed)
    config = ElectraConfig(
        vocab_size=VOCABULARY,
        embedding_size=32,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=1,
    )
    after = [Pooling(32, pooling_mode=pooling), Normalize()]
    return make_any(path, ElectraModel(config), after=after)


def edit_json(path: Path, **changes) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
