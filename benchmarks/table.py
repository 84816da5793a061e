"""From measurements to figures, and from figures to Markdown."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.facts import warnings
from benchmarks.peers import ENGINES, REFERENCE, Task

Rows = dict[str, list[dict[str, float]]]


@cache
def _tokenizer(file: Path, limit: int) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return tokenizer


def tokens_of(task: Task) -> dict[str, list[int]]:
    """Tokens of the first n texts of each set, n from 0, cut at the limit of the model."""
    tokenizer = _tokenizer(Path(task.folder) / "tokenizer.json", task.max_tokens)
    return {
        name: list(accumulate((len(e.ids) for e in tokenizer.encode_batch_fast(texts)), initial=0))
        for name, texts in task.sets.items()
    }


def summary(
    label: str, error: str | None, rows: dict[str, Rows], name: str, sizes: dict[str, list[int]]
) -> dict[str, Any]:
    """The figures of one engine: medians over rounds, and medians of ratios within a round.

    Rounds have as many texts as the engine computes in some seconds, so what is compared is tokens
    a second. `sizes` is what `tokens_of` gives.
    """
    found: dict[str, Any] = {"label": label, "error": error}
    for kind, runs in rows.get(name, {}).items():
        walls = [run["wall"] for run in runs]
        texts = int(runs[0]["texts"])
        tokens = sizes[kind][texts]
        figures: dict[str, Any] = {
            "texts": texts,
            "tokens_per_s": round(tokens / median(walls)),
            "best_tokens_per_s": round(tokens / min(walls)),
            "texts_per_s": round(texts / median(walls)),
            "tokens_per_cpu_s": round(tokens / max(median(run["cpu"] for run in runs), 1e-9)),
            "walls": [round(wall, 4) for wall in walls],
        }
        for other, key in (
            (REFERENCE, "times_reference"),
            ("fastembed", "times_fastembed"),
            ("model2vec", "times_model2vec"),
            ("products-f32", "share_f32"),
            ("products-bf16", "share_bf16"),
        ):
            beside = rows.get(other, {}).get(kind, [])
            if beside and other != name:
                theirs = sizes[kind][int(beside[0]["texts"])]
                ratios = [
                    tokens / a["wall"] / (theirs / b["wall"])
                    for a, b in zip(runs, beside, strict=False)
                ]
                figures[key] = round(median(ratios), 3)
                figures[f"{key}_range"] = [round(min(ratios), 3), round(max(ratios), 3)]
        found[kind] = figures
    return found


def markdown(result: dict[str, Any]) -> str:
    """The page: machine, engines, static models."""
    machine = result["machine"]
    parts = [
        "# Engines side by side",
        "Made by `make bench`; what is measured, and how, is in [README.md](../README.md).",
        *(f"**{note[0].upper()}{note[1:]}.**" for note in warnings(machine)),
    ]
    if result["quick"]:
        parts.append("**A quick run: it shows that the engines run; its figures mean nothing.**")
    parts += [
        _facts(result),
        _engines(result),
        _static(result),
        _left_out(result),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(result: dict[str, Any]) -> str:
    machine, texts, model = result["machine"], result["texts"], result["model"]
    loads = " / ".join(f"{machine[k][0]:.1f}" for k in ("load_before", "load_after"))
    sets = "; ".join(
        f"{kind}: {size['texts']:,} texts of {size['tokens'] / size['texts']:.0f} tokens"
        for kind, size in texts.items()
    )
    length = f"about {result['round_s']:.0f} s an engine" if result["round_s"] else "few texts"
    rows = [
        ("model", f"{model['name']}, limit {model['max_tokens']} tokens"),
        ("texts", sets),
        ("threads", f"{model['threads']} for every engine"),
        ("rounds", f"{result['rounds']}, interleaved, {length}; medians"),
        ("processor", f"{machine['cpu']}, {machine['cores']} cores; {', '.join(machine['flags'])}"),
        ("memory", f"{machine['memory_gb']} GB"),
        ("load before / after", loads),
        ("versions", ", ".join(f"{k} {v}" for k, v in result["versions"].items())),
        ("Python", f"{machine['python']}, {machine['system']}"),
    ]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in rows)])


def _engines(result: dict[str, Any]) -> str:
    bf16 = result["machine"]["bf16"]
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("engine", lambda e: e["label"]),
        ("long tok/s", lambda e: _number(e, "long", "tokens_per_s")),
        ("short tok/s", lambda e: _number(e, "short", "tokens_per_s")),
        ("long x ST", lambda e: _times(e, "long", "times_reference")),
        ("short x ST", lambda e: _times(e, "short", "times_reference")),
        ("long x fastembed", lambda e: _times(e, "long", "times_fastembed")),
        ("short x fastembed", lambda e: _times(e, "short", "times_fastembed")),
        ("share of f32 products, long", lambda e: _share(e, "share_f32")),
    ]
    if bf16:
        columns.append(("share of bf16 products, long", lambda e: _share(e, "share_bf16")))
    columns += [
        ("cosine to f32, min / mean", _cosine),
        ("STSb", lambda e: "" if e["stsb"] is None else f"{e['stsb']:.2f}"),
        ("peak MB", lambda e: "" if e.get("peak_mb") is None else f"{e['peak_mb']:,.0f}"),
        ("cold start s / MB", _cold),
    ]
    rows = [e for n, e in result["engines"].items() if "long" in ENGINES[n].sets and "long" in e]
    return (
        "## Transformers\n\n" + _table(columns, rows) + "\n\nST: sentence-transformers, torch f32."
    )


def _static(result: dict[str, Any]) -> str:
    rows = [e for e in result["engines"].values() if "many" in e]
    if not rows:
        return ""
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("engine", lambda e: e["label"]),
        ("short texts/s", lambda e: _number(e, "many", "texts_per_s")),
        ("x model2vec", lambda e: _times(e, "many", "times_model2vec")),
        ("STSb", lambda e: "" if e["stsb"] is None else f"{e['stsb']:.2f}"),
        ("peak MB", lambda e: "" if e.get("peak_mb") is None else f"{e['peak_mb']:,.0f}"),
        ("cold start s / MB", _cold),
    ]
    return "## Static models\n\n" + _table(columns, rows)


def _left_out(result: dict[str, Any]) -> str:
    rows = [
        f"- {engine['label']}: {engine['error']}"
        for engine in result["engines"].values()
        if engine["error"]
    ]
    return "\n".join(["## Not measured", "", *rows]) if rows else ""


def _table(
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]], rows: list[dict[str, Any]]
) -> str:
    head = "| " + " | ".join(name for name, _ in columns) + " |"
    rule = "| --- |" + " ---: |" * (len(columns) - 1)
    body = ["| " + " | ".join(cell(row) for _, cell in columns) + " |" for row in rows]
    return "\n".join([head, rule, *body])


def _number(engine: dict[str, Any], kind: str, key: str) -> str:
    return f"{engine[kind][key]:,}" if kind in engine else ""


def _times(engine: dict[str, Any], kind: str, key: str) -> str:
    value = engine.get(kind, {}).get(key)
    return "" if value is None else f"{value:.2f}"


def _share(engine: dict[str, Any], key: str) -> str:
    value = engine.get("long", {}).get(key)
    return "" if value is None else f"{100 * value:.0f}%"


def _cosine(engine: dict[str, Any]) -> str:
    found = engine["cosine"]
    return "" if found is None else f"{found['min']:.5f} / {found['mean']:.5f}"


def _cold(engine: dict[str, Any]) -> str:
    found = engine["cold_start"]
    return "" if found is None else f"{found['seconds']:.2f} / {found['peak_mb']:,.0f}"
