"""Convert a Sentence Transformers folder to an OpenVINO model with pooling and normalizing inside.

Run in a process of its own (`python -m veclab.models.local.openvino.convert FOLDER OUT`, see
`converted_models`), so that the memory of torch goes back, the process that embeds stays small, and
telemetry can be hidden from the start. Writes to OUT, and refuses a model whose
converted vectors are not those of the original.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Before anything can import them. OpenVINO and NNCF then use stubs of their own.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # blocks the import
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veclab.errors import first_line
from veclab.models.local.openvino.engine import Engine, Ids, Vectors, hidden
from veclab.models.local.routes import has_simple_routes

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

MIN_COSINE = 0.9999

# Short, long (beyond the traced length), nearly empty, other scripts, emoji, rare characters.
PROBES = (
    "a",
    "",
    "The cat sat on the mat.",
    "Vectors of words carry meaning. " * 30,
    "naïve café — übergroß “quoted”",
    "日本語のテキスト、 русский текст, नमस्ते दुनिया",
    "\U0001f642\U0001f680 \U0001f469\u200d\U0001f469\u200d\U0001f467",
    "def f(x):\n\treturn x ** 2  # code",
)


class NotConvertible(ValueError):
    """The model needs something the engine does not offer; the torch engine runs it."""


def load_source(folder: Path) -> SentenceTransformer:
    """Load the original, in f32 on the CPU; of one with routes at its end, what is before them."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    # Weights stored as bf16 are traced as f32: the engine picks the precision when it compiles.
    # Attention stays at the model's default, sdpa or else eager: OpenVINO fuses either.
    model: SentenceTransformer = SentenceTransformer(
        str(folder),
        device="cpu",
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
    )
    model.truncate_dim = None  # cutting vectors is done outside
    if has_simple_routes(folder):
        model = SentenceTransformer(modules=list(model)[:-1], device="cpu")
    return model.eval()


def token_rows(model: SentenceTransformer, texts: Sequence[str]) -> tuple[list[Ids], bool]:
    """Return each text's ids, and whether there are token types (refused unless all are 0)."""
    if getattr(model.tokenizer, "backend_tokenizer", None) is None:
        raise NotConvertible("it has no fast tokenizer")
    encoded = model.tokenizer(list(texts), truncation=True, max_length=model.max_seq_length)
    types = encoded.get("token_type_ids")
    if types is not None and any(any(row) for row in types):
        raise NotConvertible("its tokenizer gives a single text token types other than 0")
    return [np.asarray(row, np.int32) for row in encoded["input_ids"]], types is not None


def whole_graph(model: SentenceTransformer, with_types: bool) -> torch.nn.Module:
    """Build the model as one module: int32 ids and mask in, sentence vectors out."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = torch.nn.ModuleList(model)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            # int32 outside: OpenVINO's CPU plugin computes with it, so 64-bit inputs are copied.
            features: dict[str, Any] = {
                "input_ids": input_ids.long(),
                "attention_mask": attention_mask.long(),
            }
            if with_types:
                features["token_type_ids"] = torch.zeros_like(features["input_ids"])
            for step in self.steps:
                features = step(features)
            vectors: torch.Tensor = features["sentence_embedding"]
            return vectors

    return Whole().eval()


@contextmanager
def traceable_masks() -> Iterator[None]:
    """Let transformers build attention masks that survive tracing and never mask a whole row.

    Gemma's masks go through vmap, which cannot be traced; they are index-based, so broadcasting
    gives the same. With a sliding window, padding far from the text may attend to nothing: OpenVINO
    then computes NaN there, and NaN times a weight of 0 reaches the text one layer later. So every
    token may attend to itself, which real tokens do anyway.
    """
    try:
        import torch
        from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    except ImportError:  # before transformers 4.53 models built masks that trace
        yield
        return

    def mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
        built: torch.Tensor | None = sdpa_mask(*args, **{**kwargs, "use_vmap": False})
        if built is None:  # only while not tracing
            return None
        tokens = torch.arange(built.shape[-2], device=built.device)
        keys = torch.arange(built.shape[-1], device=built.device)
        return built | (tokens[:, None] == keys[None, :])

    ALL_MASK_ATTENTION_FUNCTIONS["sdpa"] = mask  # on the instance; transformers' own stays below
    try:
        yield
    finally:
        del ALL_MASK_ATTENTION_FUNCTIONS["sdpa"]


def to_openvino(graph: torch.nn.Module) -> Any:
    """Trace and convert to a model with named inputs and output and free shapes."""
    import torch

    ids = torch.full((2, 7), 5, dtype=torch.int32)
    mask = torch.ones((2, 7), dtype=torch.int32)
    mask[1, 5:] = 0  # an all-ones mask would let a model skip the mask while traced
    with hidden("openvino_telemetry"), warnings.catch_warnings(), traceable_masks():
        warnings.simplefilter("ignore")  # the tracer's: the check of the vectors decides
        import openvino as ov
        from openvino.tools.ovc import convert_model

        free = ov.PartialShape([-1, -1])
        with torch.no_grad():
            converted = convert_model(
                graph,
                example_input={"input_ids": ids, "attention_mask": mask},
                input=[("input_ids", free, ov.Type.i32), ("attention_mask", free, ov.Type.i32)],
            )
    converted.output(0).get_tensor().set_names({"sentence_embedding"})
    return converted


def lowest_cosine(left: Vectors, right: Vectors) -> float:
    """Return the lowest cosine of the rows of two (n, dim) arrays; NaN for an unusable vector."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / np.maximum(norms, 1e-12)).min())


def check(engine: Engine, rows: list[Ids], expected: Vectors) -> float:
    """Return the lowest cosine to the original: all texts padded together, then each one alone.

    Raises:
        NotConvertible: it is below MIN_COSINE, or the lengths of the vectors differ.
    """
    together = engine.run(rows)
    if together.shape != expected.shape:
        raise NotConvertible(f"converted vectors have the shape {together.shape}")
    alone = np.concatenate([engine.run([row]) for row in rows])
    worst = min(lowest_cosine(together, expected), lowest_cosine(alone, expected))
    lengths = np.linalg.norm(together, axis=1) / np.linalg.norm(expected, axis=1)
    if not worst >= MIN_COSINE or not np.allclose(lengths, 1, atol=1e-3):  # NaN fails, too
        raise NotConvertible(f"the converted vectors differ: lowest cosine {worst:.6f}")
    return worst


def convert(folder: Path, out: Path) -> dict[str, Any]:
    """Convert `folder`, check the result, and write `model.xml`, `model.bin` and `tokenizer.json`.

    Returns:
        What the process that embeds must know.

    Raises:
        NotConvertible: the model is refused; `out` may hold files then.
    """
    import transformers

    from veclab.models.local.openvino.engine import load_openvino

    model = load_source(folder)
    rows, with_types = token_rows(model, PROBES)
    # Not every tokenizer makes a token of "": such rows have no vector.
    kept = [i for i, row in enumerate(rows) if len(row)]
    rows = [rows[i] for i in kept]
    expected = model.encode([PROBES[i] for i in kept], prompt="", show_progress_bar=False)
    try:
        converted = to_openvino(whole_graph(model, with_types))
    except Exception as error:  # of any kind, whatever in the model cannot be traced or translated
        raise NotConvertible(f"it cannot be converted: {first_line(error)}") from error
    load_openvino().save_model(converted, out / "model.xml", compress_to_fp16=False)
    model.tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    pad_id = model.tokenizer.pad_token_id or 0
    engine = Engine(out / "model.xml", pad_id=pad_id, arithmetic="f32")
    return {
        "pad_id": pad_id,
        "max_tokens": model.max_seq_length,
        "min_cosine": check(engine, rows, np.asarray(expected, np.float32)),
        "transformers": transformers.__version__,
    }


def main(folder: str, out: str) -> None:
    """Convert and print the facts, or why it cannot be, as the last line of output."""
    try:
        facts = convert(Path(folder), Path(out))
    except NotConvertible as error:
        facts = {"refused": str(error)}
    print("\n" + json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
