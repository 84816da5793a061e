"""From a model folder to a graph with pooling and normalizing inside, where a builder knows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from veclab.models.local.configuration import wrapper_facts
from veclab.models.local.folder import ModelFolder
from veclab.models.local.modules import read_json, read_modules, wrapper_settings
from veclab.models.local.openvino.engine import load_openvino
from veclab.models.local.openvino.graphs.after import after
from veclab.models.local.openvino.graphs.bert import bert, roberta
from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.distilbert import distilbert
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.mpnet import mpnet
from veclab.models.local.openvino.graphs.parts import Node, Parts
from veclab.models.local.openvino.graphs.unknown import NotKnown
from veclab.models.local.openvino.graphs.weights import Weights

# By the `model_type` of config.json: what builds token vectors (n, tokens, dim).
ARCHITECTURES: dict[str, Callable[[Parts, Configuration, Inputs], Node]] = {
    "bert": bert,
    "camembert": roberta,
    "distilbert": distilbert,
    "mpnet": mpnet,
    "roberta": roberta,
    "xlm-roberta": roberta,
}


class Built(NamedTuple):
    """A graph and what goes with it.

    Attributes:
        model: an openvino.Model: int32 ids and mask (n, tokens) in, vectors (n, dim) out. Its
            numbers lie in the model's own files as long as it lives; `save_model` copies them.
        positions: the longest text that it has positions for, None where it has no limit.
    """

    model: Any
    positions: int | None


def build(folder: ModelFolder) -> Built:
    """Build the graph of a model.

    Raises:
        NotKnown: no builder knows all of the model.
        ModelUnavailable: a file of the model is damaged.
    """
    first, *rest = read_modules(folder.path)
    config = read_json(first.folder / "config.json")
    kind = config.get("model_type") if first.kind == "Transformer" else first.kind
    architecture = ARCHITECTURES.get(str(kind))
    if architecture is None:
        raise NotKnown(f"no builder knows {kind}")
    _check_wrapper(first.folder)
    read = Configuration(config)
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
    said = wrapper_facts(wrapper_settings(transformer))
    said.pop("do_lower_case", None)  # the tokenizer's part
    if said:
        raise NotKnown(f"sentence-transformers is told {said}")
