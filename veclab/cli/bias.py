"""`veclab bias`: association tests over a model's vectors."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_tests
from veclab.cli.console import (
    echo,
    json_option,
    model_option,
    print_facts,
    print_json,
    print_table,
    progress,
)
from veclab.cli.options import loading_options
from veclab.errors import InputError

if TYPE_CHECKING:
    from veclab.bias.association import BiasResult
    from veclab.bias.word_lists import BiasTest


@click.command()
@model_option
@click.option(
    "--sentences",
    is_flag=True,
    help="Embed the words in simple sentences (SEAT), not alone (WEAT).",
)
@click.option(
    "--lists",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Your own word lists (.toml or .json) instead of the published ones.",
)
@click.option(
    "--test",
    "-t",
    "only",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_tests,
    help="Run only this test; repeatable.",
)
@click.option(
    "--output",
    "-o",
    metavar="PICTURE",
    type=click.Path(path_type=Path),
    help="Draw the effect sizes: .png, .svg or .pdf.",
)
@loading_options
@json_option
def bias(
    model: str,
    sentences: bool,
    lists: Path | None,
    only: tuple[str, ...],
    output: Path | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Measure how a model associates groups of words: WEAT and SEAT effect sizes.

    Without --lists it runs the ten published tests: flowers and insects, instruments and weapons,
    names, gender and career, and others.
    """
    from veclab.bias.association import STATEMENT
    from veclab.bias.association import bias as measure
    from veclab.bias.word_lists import published_tests, read_tests
    from veclab.model import load
    from veclab.pictures import bias_effects, check_picture

    tests = _chosen(published_tests() if lists is None else read_tests(lists), only)
    if output is not None:
        check_picture(output)
    loaded = load(model, **loading)
    with progress("embedding", None) as advance:
        results = measure(loaded, tests, sentences=sentences, on_done=advance)
    method = "SEAT" if sentences else "WEAT"
    if output is not None:
        bias_effects(results, f"{method}: {loaded.space.model}").write(output)
    if as_json:
        print_json(
            {
                "model": loaded.space.to_dict(),
                "method": method,
                "results": [result.to_dict() for result in results],
                "statement": STATEMENT,
            }
        )
        return
    _print(results, method, loaded.space.model)
    echo(f"\n{STATEMENT}")
    if output is not None:
        echo(f"\nwritten  {output}")


def _chosen(tests: dict[str, BiasTest], only: tuple[str, ...]) -> dict[str, BiasTest]:
    for name in only:
        if name not in tests:
            near = get_close_matches(name, tests, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(f"there is no test {name!r}{hint}; available: {', '.join(tests)}")
    return {name: tests[name] for name in only} if only else tests


def _print(results: list[BiasResult], method: str, model: str) -> None:
    published = any(result.published is not None for result in results)
    header = ["test", "d", "95% interval", "p", "items"]
    rows = []
    for r in results:
        interval = f"{r.low:+.2f} to {r.high:+.2f}"
        rows.append([r.test, f"{r.effect:+.2f}", interval, _p(r), f"{r.sizes[0]}+{r.sizes[1]}"])
        if published:
            rows[-1].append("" if r.published is None else f"{r.published:+.2f}")
    echo(f"{method} effect sizes of {model}\n")
    print_table([*header, "published"] if published else header, rows)
    echo("\nd > 0: the first group is closer to the first attribute, the second to the second:")
    print_facts([(r.test, f"{r.x} / {r.y} with {r.a} / {r.b}") for r in results])
    sampled = [r for r in results if not r.exact]
    if sampled:
        echo(
            f"\n~ p from {sampled[0].partitions:,} partitions drawn with a fixed seed; "
            "the others from all partitions"
        )
    if published:
        echo("published: by Caliskan et al. 2017 on GloVe 840B, 300-d, single words")
    if method == "SEAT":
        echo("sentences built from one word are not independent: p tends to be too small")
    missing = dict.fromkeys(word for r in results for word in r.missing)
    if missing:
        echo(f"not in the vocabulary, left out: {', '.join(missing)}")
    if sources := list(dict.fromkeys(r.source for r in results if r.source)):
        echo(f"words: {'; '.join(sources)}")


def _p(result: BiasResult) -> str:
    number = f"{result.p:.4f}" if result.p >= 0.0001 else f"{result.p:.0e}"
    return number if result.exact else f"~{number}"
