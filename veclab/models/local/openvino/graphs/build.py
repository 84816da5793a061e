"""From a model folder to a graph with pooling and normalizing inside, where a builder knows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from veclab.models.local.configuration import wrapper_facts
from veclab.models.local.folder import ModelFolder
from veclab.models.local.modules import Module, read_modules, wrapper_settings
from veclab.models.local.openvino.engine import load_openvino
from veclab.models.local.openvino.graphs.after import after
from veclab.models.local.openvino.graphs.albert import albert
from veclab.models.local.openvino.graphs.bert import bert, roberta
from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.decoders import gemma3, qwen3
from veclab.models.local.openvino.graphs.distilbert import distilbert
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.modernbert import modernbert
from veclab.models.local.openvino.graphs.mpnet import mpnet
from veclab.models.local.openvino.graphs.parts import Node, Parts
from veclab.models.local.openvino.graphs.rotary_bert import gte, nomic_bert
from veclab.models.local.openvino.graphs.unknown import NotKnown
from veclab.models.local.openvino.graphs.weights import Weights
from veclab.models.local.routes import shared_part

Builder = Callable[[Parts, Configuration, Inputs], Node]
# By the `model_type` of config.json: what builds token vectors (n, tokens, dim).
ARCHITECTURES: dict[str, Builder] = {
    "albert": albert,
    "bert": bert,
    "camembert": roberta,
    "distilbert": distilbert,
    "gemma3_text": gemma3,
    "gte": gte,
    "modernbert": modernbert,
    "mpnet": mpnet,
    "nomic_bert": nomic_bert,
    "qwen3": qwen3,
    "roberta": roberta,
    "xlm-roberta": roberta,
}
# Of what sentence-transformers is told: the tokenizer's part, and how torch would load and run it.
_HARMLESS = {"do_lower_case", "model_args", "model_kwargs", "unpad_inputs"}


class Built(NamedTuple):
    """A graph and what goes with it.

    Attributes:
        model: an openvino.Model: int32 ids and mask (n, tokens) in, vectors (n, dim) out. Its
            numbers lie in the model's own files as long as it lives; `save_model` copies them.
        positions: the longest text that it has positions for, None where it has no limit.
    """

    model: Any
    positions: int | None


def has_builder(path: Path) -> bool:
    """Return whether there is a builder for the transformer of a model folder."""
    return _architecture(read_modules(path)[0])[1] is not None


def _architecture(first: Module) -> tuple[str, Builder | None]:
    """Return what the first module is, and what builds it, if anything."""
    if first.kind != "Transformer":
        return first.kind, None
    kind = str(first.settings.get("model_type"))
    return kind, ARCHITECTURES.get(kind)


def build(folder: ModelFolder) -> Built:
    """Build the graph of a model; of one with routes at its end, of what is before them.

    Raises:
        NotKnown: no builder knows all of the model.
        ModelUnavailable: a file of the model is damaged.
    """
    first, *rest = shared_part(read_modules(folder.path))
    kind, architecture = _architecture(first)
    if architecture is None:
        raise NotKnown(f"no builder knows {kind}")
    _check_wrapper(first.folder)
    read = Configuration(first.settings)
    parts = Parts(Weights(first.folder))
    inputs = Inputs(parts)
    try:
        tokens = architecture(parts, read, inputs)
        read.finish()
        vectors = after(rest, parts, inputs, tokens)
    except (RuntimeError, TypeError) as error:  # OpenVINO's, about weights that do not fit
        raise NotKnown(f"its weights do not go together: {str(error).splitlines()[-1]}") from error
    result = parts.ops.result(vectors)
    result.output(0).get_tensor().set_names({"sentence_embedding"})
    model = load_openvino().Model([result], inputs.parameters, folder.name)
    return Built(model, inputs.positions)


def _check_wrapper(transformer: Path) -> None:
    """Refuse what sentence-transformers would do otherwise than call the model on a text."""
    facts = wrapper_facts(wrapper_settings(transformer))
    said = {name: fact for name, fact in facts.items() if name not in _HARMLESS}
    if said:
        raise NotKnown(f"sentence-transformers is told {said}")
