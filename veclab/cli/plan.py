"""`veclab plan`: what would embedding this do and cost?"""

from __future__ import annotations

from typing import Any

import click

from veclab.cli.console import (
    json_option,
    model_option,
    print_facts,
    print_json,
    progress,
    read_source,
)
from veclab.cli.options import (
    loading_options,
    max_tokens_option,
    policy_options,
    reading_options,
)


@click.command()
@click.argument("input", metavar="INPUT")
@model_option
@reading_options
@policy_options
@max_tokens_option
@loading_options
@json_option
def plan(
    input: str,
    model: str,
    reading: dict[str, Any],
    policies: dict[str, Any],
    max_tokens: int | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Show what `veclab embed` would do with the same options, and its cost.

    Nothing is sent or bought, and no key is needed.
    """
    from veclab.corpus.plan import plan_file
    from veclab.model import load

    source = read_source(input, reading)
    with progress("loading the model", None):
        loaded = load(model, **loading, max_tokens=max_tokens)
    del policies["on_empty"]
    with progress("planning", source.rows) as advance:
        planned = plan_file(loaded, source, **policies, on_done=advance)
    if as_json:
        print_json(planned.to_dict())
        return
    print_facts(planned.lines())
