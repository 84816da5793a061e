"""What the shell completes: names of models and of tests, found without loading anything heavy."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def complete_models(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the models on this machine, OpenAI's, other providers, and folders, that begin so."""
    from veclab.models.catalog import names_here
    from veclab.models.names import OPENAI
    from veclab.models.openai.prices import TABLE, read_table
    from veclab.models.providers import installed

    if incomplete.startswith((".", "/", "~")):
        return [CompletionItem(incomplete, type="dir")]
    priced = read_table(TABLE).get("dollars_per_million_tokens", {})
    others = [f"{name}:" for name in installed() if name not in ("local", "words", "openai")]
    names = [*names_here(), *(OPENAI + name for name in priced), *others]
    return [CompletionItem(name) for name in names if name.lower().startswith(incomplete.lower())]


def complete_tests(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the association tests that begin so, those of --lists where it is given."""
    from veclab.bias.word_lists import published_tests, read_tests
    from veclab.errors import VeclabError

    lists = ctx.params.get("lists")
    try:
        tests = published_tests() if lists is None else read_tests(lists)
    except VeclabError:
        return []
    return [CompletionItem(name) for name in tests if name.startswith(incomplete)]


def complete_files(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Let the shell complete names of files."""
    return [CompletionItem(incomplete, type="file")]
