"""The engines that `benchmarks.engines` compares, each in a process of its own.

`ENGINES` is the table. An entry's `open` gets a `Task` and returns a function from texts to
vectors; it imports what it measures inside. `prepare` does what a user does once, outside all
measurements: convert, export, distil.

As a program this is the child: it opens one engine and answers commands, JSON a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

Encode = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Task:
    """What every child is told.

    Attributes:
        model: name or folder, as veclab takes it.
        folder: where its files lie.
        name: a short name for files made of it.
        max_tokens, dimensions, layers, width, inner: of the model.
        threads: to use.
        work: a folder for what `prepare` makes.
        sets: texts by the name of their set.
    """

    model: str
    folder: str
    name: str
    max_tokens: int
    dimensions: int
    layers: int
    width: int
    inner: int
    threads: int
    work: str
    sets: dict[str, list[str]]


@dataclass(frozen=True)
class Engine:
    """One row of the table.

    Attributes:
        label: how the table calls it.
        open: makes the function from texts to vectors.
        sets: names of the sets of texts it is timed on.
        prepare: done once in a process of its own, or None.
        hello: arguments of a whole process that embeds one text, where that is not this file.
        packages: whose versions are reported.
        default: whether it is measured unless --engines says otherwise.
        same: whether its vectors are meant to be those of the reference.
    """

    label: str
    open: Callable[[Task], Encode]
    sets: tuple[str, ...] = ("long", "short")
    prepare: Callable[[Task], None] | None = None
    hello: Callable[[Task], list[str]] | None = None
    packages: tuple[str, ...] = ()
    default: bool = True
    same: bool = True


def _sentence_transformers(backend: str = "torch", **options: Any) -> Callable[[Task], Encode]:
    def start(task: Task) -> Encode:
        if backend != "torch" and find_spec("optimum") is None:
            raise RuntimeError("needs optimum, which is not installed")
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(task.threads)
        model: Any = SentenceTransformer(
            task.folder, device="cpu", backend=backend, local_files_only=True, **options
        )
        return lambda texts: model.encode(texts, show_progress_bar=False)

    return start


def _st_bf16(task: Task) -> Encode:
    if not bf16_native():
        raise RuntimeError("the processor has no bf16 arithmetic")
    import torch

    encode = _sentence_transformers(model_kwargs={"dtype": torch.bfloat16})(task)
    return lambda texts: np.asarray(encode(texts), np.float32)


def _veclab(**options: Any) -> Callable[[Task], Encode]:
    def start(task: Task) -> Encode:
        import veclab

        model = veclab.load(task.model, cache=False, threads=task.threads, **options)
        return lambda texts: model.embed(texts).array

    return start


def _prepare_veclab(**options: Any) -> Callable[[Task], None]:
    def prepare(task: Task) -> None:
        _veclab(**options)(task)(["hello"])

    return prepare


def _int8(task: Task) -> Encode:
    if not int8_native():
        raise RuntimeError("the processor has no int8 dot products (VNNI or AMX)")
    return _veclab(engine="openvino", precision="int8")(task)


def _prepare_int8(task: Task) -> None:
    if int8_native():
        _int8(task)(["hello"])


def _hello_veclab(task: Task) -> list[str]:
    command = ["-m", "veclab", "embed", "--text", "hello", "--no-cache", "-m", task.model]
    return [*command, "--threads", str(task.threads)]


def _fastembed(task: Task) -> Encode:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    # Its catalog knows some models only, in files of its own; a custom one with a path of its
    # own is the very same weights, and asks no hub.
    TextEmbedding.add_custom_model(
        model="local/bench",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="local/bench"),
        dim=task.dimensions,
        model_file="model.onnx",
    )
    model = TextEmbedding(
        "local/bench",
        specific_model_path=str(_onnx(task)),
        providers=["CPUExecutionProvider"],
        threads=task.threads,
    )
    return lambda texts: np.stack(list(model.embed(texts)))


def _onnx(task: Task) -> Path:
    return Path(task.work) / f"{task.name}-onnx"


def _export_onnx(task: Task) -> None:
    """The transformer alone, as fastembed wants it: it pools and normalizes by itself."""
    folder = _onnx(task)
    if (folder / "model.onnx").exists():
        return
    import torch
    from sentence_transformers import SentenceTransformer

    class Tokens(torch.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            return self.inner(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    eager = {"attn_implementation": "eager"}
    inner: Any = SentenceTransformer(task.folder, device="cpu", model_kwargs=eager)[0]
    one = torch.ones((2, 7), dtype=torch.long)
    mask = one.clone()
    mask[1, 5:] = 0
    names = ["input_ids", "attention_mask", "token_type_ids"]
    temporary = folder.with_suffix(f".{os.getpid()}")
    temporary.mkdir(parents=True)
    with torch.no_grad():
        torch.onnx.export(
            Tokens(inner.auto_model).eval(),
            (one, mask, one * 0),
            str(temporary / "model.onnx"),
            dynamo=False,
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes={n: {0: "n", 1: "length"} for n in [*names, "last_hidden_state"]},
            opset_version=17,
        )
    source = Path(task.folder)
    for name in ("tokenizer.json", "special_tokens_map.json", "config.json"):
        if (source / name).exists():
            shutil.copy(source / name, temporary / name)
    settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    # Without the model's own limit it would embed more of a text than the others read.
    settings["model_max_length"] = task.max_tokens
    (temporary / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    temporary.rename(folder)


def _static_folder(task: Task) -> Path:
    return Path(task.work) / f"{task.name}-static"


def _distil(task: Task) -> None:
    from veclab.models.static.distill import distill

    if not _static_folder(task).exists():
        distill(task.model, _static_folder(task), dimensions=min(256, task.dimensions // 2))


def _model2vec(task: Task) -> Encode:
    from model2vec import StaticModel

    model = StaticModel.from_pretrained(_static_folder(task), force_download=False)
    return lambda texts: np.asarray(model.encode(texts), np.float32)


def _veclab_static(cache: bool) -> Callable[[Task], Encode]:
    def start(task: Task) -> Encode:
        import veclab

        where = Path(os.environ["VECLAB_HOME"]) / f"cache-{os.getpid()}"
        model = veclab.load(str(_static_folder(task)), cache=where if cache else False)

        def encode(texts: list[str]) -> Any:
            vectors = model.embed(texts, on_empty="skip")
            if len(vectors) == len(texts):
                return vectors.array
            # Texts without a known token are left out; for the comparison they are zeros again.
            whole = np.zeros((len(texts), vectors.dimensions), np.float32)
            whole[np.array(vectors.ids, int)] = vectors.array
            return whole

        return encode

    return start


def _hello_static(task: Task) -> list[str]:
    return ["-m", "veclab", "embed", "--text", "hello", "-m", str(_static_folder(task))]


def _products(kind: str) -> Callable[[Task], Encode]:
    """Only the model's matrix products, by torch (oneDNN, MKL), for as many tokens as the texts."""

    def start(task: Task) -> Encode:
        if kind == "bfloat16" and not bf16_native():
            raise RuntimeError("the processor has no bf16 arithmetic")
        import torch
        from tokenizers import Tokenizer

        torch.set_num_threads(task.threads)
        tokenizer = Tokenizer.from_file(str(Path(task.folder) / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(task.max_tokens)
        chunk, number = 1024, getattr(torch, kind)
        timed = [text for kind in ("long", "short") for text in task.sets[kind]]
        encodings = tokenizer.encode_batch_fast(timed)
        count = {text: len(each.ids) for text, each in zip(timed, encodings, strict=True)}
        # Query, key, value and output of the attention, then the two of the feed-forward part.
        shapes = [(task.width, task.width)] * 4
        shapes += [(task.width, task.inner), (task.inner, task.width)]
        weights = [torch.randn(b, a).to(number) for a, b in shapes]
        inputs = {a: torch.randn(chunk, a).to(number) for a, _ in shapes}

        def multiply(texts: list[str]) -> None:
            tokens = sum(count.get(text, 0) for text in texts)
            with torch.inference_mode():
                for _ in range(max(1, round(tokens / chunk))):
                    for _ in range(task.layers):
                        for weight in weights:
                            torch.nn.functional.linear(inputs[weight.shape[1]], weight)

        return multiply

    return start


def bf16_native() -> bool:
    """Whether the processor multiplies bf16 numbers in hardware."""
    return bool({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"} & cpu_flags())


def int8_native() -> bool:
    """Whether the processor has int8 dot products."""
    return bool({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"} & cpu_flags())


def cpu_flags() -> set[str]:
    """What the kernel says the processor can do; empty where there is no /proc/cpuinfo."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return set(line.split(":", 1)[1].split())
    return set()


REFERENCE = "sentence-transformers"
ENGINES: dict[str, Engine] = {
    "veclab": Engine(
        "veclab",
        _veclab(engine="openvino"),
        prepare=_prepare_veclab(engine="openvino"),
        hello=_hello_veclab,
        packages=("veclab", "openvino", "tokenizers"),
    ),
    "veclab-f32": Engine(
        "veclab, precision f32",
        _veclab(engine="openvino", precision="f32"),
        prepare=_prepare_veclab(engine="openvino", precision="f32"),
        default=bf16_native(),  # else `veclab` is just that
    ),
    "veclab-int8": Engine("veclab, precision int8", _int8, prepare=_prepare_int8),
    "veclab-torch": Engine("veclab, engine torch", _veclab(engine="torch"), default=False),
    REFERENCE: Engine(
        "sentence-transformers `encode`, torch f32",
        _sentence_transformers(),
        packages=("sentence-transformers", "torch", "transformers"),
    ),
    "st-bf16": Engine("sentence-transformers `encode`, torch bf16", _st_bf16),
    "st-onnx": Engine("sentence-transformers, backend onnx", _sentence_transformers("onnx")),
    "st-openvino": Engine(
        "sentence-transformers, backend openvino", _sentence_transformers("openvino")
    ),
    "fastembed": Engine(
        "fastembed, ONNX f32",
        _fastembed,
        prepare=_export_onnx,
        packages=("fastembed", "onnxruntime"),
    ),
    "products-f32": Engine("matrix products alone, f32", _products("float32"), same=False),
    "products-bf16": Engine("matrix products alone, bf16", _products("bfloat16"), same=False),
    "veclab-static": Engine(
        "veclab, static model",
        _veclab_static(False),
        sets=("many",),
        prepare=_distil,
        hello=_hello_static,
        same=False,
    ),
    "veclab-static-cache": Engine(
        "veclab, static model, all texts in the cache",
        _veclab_static(True),
        sets=("many",),
        prepare=_distil,
        same=False,
    ),
    "model2vec": Engine(
        "model2vec `encode`, the same static model",
        _model2vec,
        sets=("many",),
        prepare=_distil,
        packages=("model2vec",),
        same=False,
    ),
}


def main() -> None:
    """Child: NAME TASK.json [prepare | hello]."""
    name, task_file, *mode = sys.argv[1:]
    task = Task(**json.loads(Path(task_file).read_text(encoding="utf-8")))
    engine = ENGINES[name]
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers

    def answer(**facts: Any) -> None:
        print(json.dumps(facts), file=channel, flush=True)

    try:
        if mode == ["prepare"]:
            assert engine.prepare is not None
            engine.prepare(task)
            answer(ok=True)
            return
        encode = engine.open(task)
        if mode == ["hello"]:
            encode(["hello"])
            answer(ok=True)
            return
        answer(ok=True)
        for line in sys.stdin:
            answer(**_obey(encode, task, json.loads(line)))
    except Exception as error:  # an engine that fails is a row that says why
        lines = str(error).strip().splitlines() or [type(error).__name__]
        kind = "" if type(error) is RuntimeError else f"{type(error).__name__}: "
        answer(error=f"{kind}{lines[0]}")
        raise


def _obey(encode: Encode, task: Task, command: dict[str, Any]) -> dict[str, Any]:
    texts = command.get("given") or task.sets[command["set"]][: command.get("texts")]
    wall, cpu = time.perf_counter(), time.process_time()
    vectors = encode(texts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if "save" in command:
        np.save(command["save"], np.asarray(vectors, np.float32))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return {"wall": wall, "cpu": cpu, "peak_mb": peak / unit, "texts": len(texts)}


if __name__ == "__main__":
    main()
