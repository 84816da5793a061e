"""What users of other libraries type, and what it is called here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

_EMBED = "model.embed(texts) returns Vectors; numpy.asarray(vectors) is the array (n, dim)"

# Attributes of other libraries' models that Model has not.
METHODS = {
    "encode": _EMBED,
    "embed_documents": "model.embed(texts, role='document')",
    "encode_document": "model.embed(texts, role='document')",
    "embed_query": "model.embed(text, role='query')",
    "encode_query": "model.embed(text, role='query')",
    "query_embed": "model.embed(texts, role='query')",
    "passage_embed": "model.embed(texts, role='document')",
    "fit": "a model here is ready as it is: model.embed(texts)",
    "transform": _EMBED,
    "fit_transform": _EMBED,
    "predict": _EMBED,
    "similarity": "veclab.similarity(a, b) on Vectors, which checks that they may be compared",
    "get_sentence_embedding_dimension": "model.space.dimensions",
    "get_embedding_dimension": "model.space.dimensions",
    "max_seq_length": "model.max_tokens; veclab.load(name, max_tokens=...) reads fewer",
    "tokenize": "model.count_tokens(texts) counts them",
    "device": "veclab.load(name, device=...) chooses it",
    "start_multi_process_pool": "one process uses all cores: veclab.load(name, threads=...)",
}

# Keyword arguments of other libraries, whatever the function.
ARGUMENTS = {
    "batch_size": "leave it out: batches are cut by tokens, to what the model runs best on",
    "normalize_embeddings": "veclab.load(name, normalize=...) decides; True is the default",
    "normalize": "veclab.load(name, normalize=...) decides; True is the default",
    "show_progress_bar": "on_done=callback is told of finished texts; the command shows a bar",
    "progress": "on_done=callback is told of finished texts; the command shows a bar",
    "convert_to_numpy": "leave it out: numpy.asarray(vectors) is the array",
    "convert_to_tensor": "leave it out: torch.from_numpy(vectors.array)",
    "prompt_name": "role='query' or role='document'",
    "prompt": "the model's own prompts are used: role='query' or role='document'",
    "input_type": "role='query' or role='document'",
    "task": "role='query' or role='document'",
    "truncate_dim": "veclab.load(name, dimensions=...) or vectors.truncate(dimensions)",
    "output_value": "veclab makes one vector for a text",
    "precision": "veclab.load(name, precision=...)",
    "device": "veclab.load(name, device=...)",
    "chunk_size": "on_long='split' reads long texts in windows",
    "max_length": "veclab.load(name, max_tokens=...)",
    "top_k": "k",
    "top": "k",
    "n_neighbors": "k",
    "limit": "k",
    "metric": "measure='cosine', 'dot' or 'euclidean'",
    "cache_folder": "VECLAB_HOME is where veclab keeps things; cache=PATH moves the vectors only",
    "trust_remote_code": "code that comes with a model is never run",
    "backend": "engine='openvino' or 'torch'",
    "model_kwargs": "engine=, precision=, device= say how a model is run",
}


def refuse_unknown(function: str, unknown: Iterable[str]) -> None:
    """Raise TypeError for keyword arguments that a function has not, with our word for each."""
    said = [
        f"{function}() got an unexpected keyword argument {name!r}"
        + (f": {ARGUMENTS[name]}" if name in ARGUMENTS else "")
        for name in unknown
    ]
    if said:
        raise TypeError("; ".join(said))


def missing_attribute(kind: str, name: str) -> AttributeError:
    """Make the error for an attribute that `kind` has not, with our word for it."""
    hint = f": {METHODS[name]}" if name in METHODS else ""
    return AttributeError(f"{kind!r} object has no attribute {name!r}{hint}")


def typed(*words: object) -> str:
    """Return a veclab command that can be pasted into a shell: what needs quotes has them."""
    return shlex.join(["veclab", *map(str, words)])
