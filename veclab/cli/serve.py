"""`veclab serve`: an OpenAI-compatible server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import echo
from veclab.cli.options import loading_options, max_tokens_option


@click.command()
@click.option(
    "--model",
    "-m",
    "models",
    shell_complete=complete_models,
    metavar="[ALIAS=]NAME",
    multiple=True,
    help="Model to serve, under another name if given; repeatable. Default: the store's model, "
    "otherwise all-MiniLM-L6-v2.",
)
@click.option("--store", "-s", metavar="PATH", help="Also serve search and ask over this store.")
@click.option(
    "--reranker",
    "rerankers",
    metavar="[ALIAS=]NAME",
    multiple=True,
    help="Cross-encoder to serve; repeatable.",
)
@click.option("--llm", metavar="openai:MODEL", help="Chat model that writes answers for ask.")
@click.option("--llm-url", metavar="URL", help="OpenAI-compatible endpoint for --llm.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0: any free one.",
)
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of API keys, one per line. Default: the variable VECLAB_API_KEYS.",
)
@click.option(
    "--insecure", is_flag=True, help="Listen beyond this machine without requiring a key."
)
@click.option(
    "--on-long",
    type=click.Choice(["error", "truncate", "split"]),
    default="error",
    show_default=True,
    help="For texts over the token limit: refuse, truncate and say so in a header, or embed in "
    "windows.",
)
@click.option(
    "--token-ids",
    type=click.Choice(["cl100k_base", "o200k_base", "p50k_base", "r50k_base"]),
    help="Vocabulary of token ids sent by clients. Default: refuse token ids.",
)
@click.option(
    "--matryoshka",
    is_flag=True,
    help="Allow shorter vectors (dimensions): the models were trained for it.",
)
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Work that may queue; beyond it clients are told when to retry.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Limit for a request, queue included.",
)
@click.option(
    "--shutdown-timeout",
    "shutdown",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Limit for requests in flight at shutdown.",
)
@click.option("--no-access-log", is_flag=True, help="Do not log requests.")
@max_tokens_option
@loading_options
def serve(
    models: tuple[str, ...],
    rerankers: tuple[str, ...],
    api_key_file: Path | None,
    no_access_log: bool,
    max_tokens: int | None,
    loading: dict[str, Any],
    **options: Any,
) -> None:
    """Serve embeddings over HTTP as OpenAI's API does; with --store, search and answers.

    Stop it with Ctrl-C or SIGTERM; requests in flight are answered first.
    """
    from veclab.server.keys import Keys
    from veclab.server.settings import Settings

    if options["llm"] is not None and options["store"] is None:
        raise click.UsageError("--llm writes answers from a store: give --store PATH too")
    if options["llm_url"] is not None and options["llm"] is None:
        raise click.UsageError("--llm-url requires --llm")
    if not models and options["store"] is None:
        from veclab.models.names import DEFAULT_MODEL

        models = (DEFAULT_MODEL,)
    settings = Settings(
        models=_named(models),
        rerankers=_named(rerankers),
        loading=loading | {"max_tokens": max_tokens},
        keys=Keys.read(api_key_file),
        access_log=not no_access_log,
        **options,
    )
    from veclab.server.running import run

    run(settings, lambda url: echo(f"veclab serves {url}/v1 (Ctrl-C stops it)"))


def _named(given: tuple[str, ...]) -> dict[str, str]:
    """Return names for clients with what they stand for."""
    named: dict[str, str] = {}
    for one in given:
        alias, equals, name = one.partition("=")
        if not equals:
            name = one
            # A folder's path is nobody's business.
            alias = Path(one).resolve().name if Path(one).is_dir() else one
            alias = alias.removeprefix("openai:")
        if not alias or not name:
            raise click.UsageError(f"{one!r}: give NAME or ALIAS=NAME")
        if alias in named:
            raise click.UsageError(f"two models are called {alias!r}: name one, ALIAS=NAME")
        named[alias] = name
    return named
