"""Names of models as people type them: what they mean here, and which known ones are near."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from veclab.models.names import OPENAI

# Models of Sentence Transformers that people ask for, as their hub names them. Only names: nothing
# is fetched, and any other model of the hub loads just as well.
FAMILIAR = (
    "Alibaba-NLP/gte-base-en-v1.5",
    "Alibaba-NLP/gte-large-en-v1.5",
    "Alibaba-NLP/gte-modernbert-base",
    "Alibaba-NLP/gte-multilingual-base",
    "BAAI/bge-base-en-v1.5",
    "BAAI/bge-large-en-v1.5",
    "BAAI/bge-m3",
    "BAAI/bge-small-en-v1.5",
    "Qwen/Qwen3-Embedding-0.6B",
    "Qwen/Qwen3-Embedding-4B",
    "Snowflake/snowflake-arctic-embed-l-v2.0",
    "Snowflake/snowflake-arctic-embed-m-v1.5",
    "Snowflake/snowflake-arctic-embed-s",
    "Snowflake/snowflake-arctic-embed-xs",
    "google/embeddinggemma-300m",
    "ibm-granite/granite-embedding-107m-multilingual",
    "ibm-granite/granite-embedding-278m-multilingual",
    "ibm-granite/granite-embedding-30m-english",
    "intfloat/e5-base-v2",
    "intfloat/e5-large-v2",
    "intfloat/e5-small-v2",
    "intfloat/multilingual-e5-base",
    "intfloat/multilingual-e5-large",
    "intfloat/multilingual-e5-large-instruct",
    "intfloat/multilingual-e5-small",
    "jinaai/jina-embeddings-v2-base-en",
    "jinaai/jina-embeddings-v2-small-en",
    "jinaai/jina-embeddings-v3",
    "minishlab/potion-base-32M",
    "minishlab/potion-base-8M",
    "minishlab/potion-multilingual-128M",
    "minishlab/potion-retrieval-32M",
    "mixedbread-ai/mxbai-embed-large-v1",
    "mixedbread-ai/mxbai-embed-xsmall-v1",
    "nomic-ai/modernbert-embed-base",
    "nomic-ai/nomic-embed-text-v1",
    "nomic-ai/nomic-embed-text-v1.5",
    "nomic-ai/nomic-embed-text-v2-moe",
    "sentence-transformers/LaBSE",
    "sentence-transformers/all-MiniLM-L12-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
    "sentence-transformers/all-distilroberta-v1",
    "sentence-transformers/all-mpnet-base-v2",
    "sentence-transformers/all-roberta-large-v1",
    "sentence-transformers/distiluse-base-multilingual-cased-v2",
    "sentence-transformers/gtr-t5-base",
    "sentence-transformers/msmarco-distilbert-base-v4",
    "sentence-transformers/multi-qa-MiniLM-L6-cos-v1",
    "sentence-transformers/multi-qa-mpnet-base-dot-v1",
    "sentence-transformers/paraphrase-MiniLM-L6-v2",
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
    "sentence-transformers/sentence-t5-base",
    "sentence-transformers/static-retrieval-mrl-en-v1",
    "thenlper/gte-base",
    "thenlper/gte-large",
    "thenlper/gte-small",
)

_HUB_PREFIXES = ("sentence-transformers:", "sentence_transformers:", "huggingface:", "hf:", "hf/")
# OpenAI-compatible endpoints by the prefixes that other tools give them; None: of the user's own.
_ENDPOINTS = {
    "azure": "https://YOUR-RESOURCE.openai.azure.com/openai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "google": "https://generativelanguage.googleapis.com/v1beta/openai",
    "litellm": "http://localhost:4000/v1",
    "lmstudio": "http://localhost:1234/v1",
    "mistral": "https://api.mistral.ai/v1",
    "ollama": "http://localhost:11434/v1",
    "tei": "http://localhost:8080/v1",
    "vllm": "http://localhost:8000/v1",
}
_OTHERS = re.compile(
    rf"({'|'.join(_ENDPOINTS)}):(.+)|(azure|gemini|litellm|lmstudio|ollama|vllm)/(.+)",
    re.IGNORECASE,
)
_OPENAI = re.compile(r"(?:openai/)?(text-embedding-(?:3-\w+|ada-002))", re.IGNORECASE)


def split_cut(name: str) -> tuple[str, int | None]:
    """Return the model and the dimensions of `MODEL@128`; a path that exists is taken whole."""
    # textembedding-gecko@003 is a version; the others are sizes.
    match = re.fullmatch(r"(.+)@([1-9][0-9]{0,5})", name)
    if match is None or Path(name).exists():
        return name, None
    return match[1], int(match[2])


def explain(name: str) -> str | None:
    """Return what a name that cannot be one of a model here means, and what to type; else None."""
    model, cut = split_cut(name)
    if cut is not None:
        return (
            f"{name}: it is the whole model that is meant here, not its first {cut} dimensions: "
            f"-m {shlex.quote(model)}"
        )
    if "," in name:
        each = [part.strip() for part in name.split(",") if part.strip()]
        several = " ".join(f"-m {shlex.quote(part)}" for part in each)
        return (
            f"{name}: one model at a time, -m {shlex.quote(each[0] if each else 'NAME')}; "
            f"to compare several: veclab compare {several} --data FILE"
        )
    if match := re.fullmatch(r"(.+)\+(int8|binary)", name):
        model, kind = match[1], match[2]
        return (
            f"{name}: vectors are quantized by `veclab compare`, which shows what it costs; "
            f"here: -m {shlex.quote(model)}"
            + (", and --precision int8 for int8 arithmetic" if kind == "int8" else "")
        )
    if "@" in name and not name.startswith("@"):
        return (
            f"{name}: what stands behind @ is a number of dimensions (NAME@128). A version of a "
            "model is used by the path of its folder"
        )
    return _explain_prefix(name)


def _explain_prefix(name: str) -> str | None:
    low = name.lower()
    for prefix in _HUB_PREFIXES:
        if low.startswith(prefix):
            return (
                f"{name}: models of the hub have no prefix: -m {shlex.quote(name[len(prefix) :])}"
            )
    if match := _OPENAI.fullmatch(name):
        return f"{name} is a model of OpenAI: -m {OPENAI}{match[1]}"
    if match := _OTHERS.fullmatch(name):
        whose, model = (match[1], match[2]) if match[1] else (match[3], match[4])
        return (
            f"{name}: models of endpoints like OpenAI's are named openai:MODEL, with their "
            f"address: -m {shlex.quote(OPENAI + model)} --base-url {_ENDPOINTS[whose.lower()]}"
        )
    if "/" not in name and (full := _full_name_of(name)) is not None:
        return f"there is no model {name}; with its publisher's name it is -m {full}"
    return None


def _full_name_of(name: str) -> str | None:
    """Return a familiar model of another publisher than sentence-transformers by its bare name."""
    for known in FAMILIAR:
        publisher, _, bare = known.partition("/")
        if bare.lower() == name.lower() and publisher != "sentence-transformers":
            return known
    return None


def near_names(name: str, known: Iterable[str] = (), most: int = 3) -> list[str]:
    """Return known names that are spelled like one, the nearest first.

    Args:
        name: as it was typed.
        known: names beside the familiar ones: of what is on this machine.
    """
    names = {one.split("/")[-1].lower(): one for one in (*FAMILIAR, *known)}
    asked = name.split("/")[-1].lower()
    near = get_close_matches(asked, names, n=most, cutoff=0.7)
    if len(asked) > 2:  # a part of a name: `bge`, `minilm`
        near += [bare for bare in sorted(names) if asked in bare and bare not in near]
    found = [names[bare].removeprefix("sentence-transformers/") for bare in near]
    return [one for one in found if one != name][:most]
