"""What people type out of habit, from other tools: understood, or answered with our word for it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import click

# Other names of our options: the first of ours that the command has is meant.
OPTIONS = {
    "--top-k": ("--top",),
    "--topk": ("--top",),
    "--k": ("--top",),
    "-k": ("--top",),
    "-n": ("--top",),
    "--limit": ("--top",),
    "--n-results": ("--top",),
    "--num-results": ("--top",),
    "--model-name": ("--model",),
    "--model-id": ("--model",),
    "--model-name-or-path": ("--model",),
    "--embedding-model": ("--model",),
    "--out": ("--output",),
    "--outfile": ("--output",),
    "--output-file": ("--output",),
    "--output-path": ("--output",),
    "--save": ("--output",),
    "--dim": ("--dimensions",),
    "--dims": ("--dimensions",),
    "--dimension": ("--dimensions",),
    "--truncate-dim": ("--dimensions",),
    "--max-length": ("--max-tokens",),
    "--max-seq-length": ("--max-tokens",),
    "--dtype": ("--precision",),
    "--backend": ("--engine",),
    "--num-threads": ("--threads",),
    "--workers": ("--threads",),
    "--num-workers": ("--threads",),
    "--jobs": ("--threads",),
    "--prompt-name": ("--role",),
    "--input-type": ("--role",),
    "--text-column": ("--column",),
    "--col": ("--column",),
    "--field": ("--column",),
    "--columns": ("--column",),
    "--sep": ("--delimiter",),
    "--separator": ("--delimiter",),
    "--delim": ("--delimiter",),
    "--api-base": ("--base-url",),
    "--url": ("--base-url",),
    "--metric": ("--measure",),
    "--budget": ("--max-cost",),
    "--db": ("--store",),
    "--collection": ("--store",),
    "--dataset": ("--data",),
}

# Options that no command has, and what to do instead.
NO_OPTION = {
    "--batch-size": "leave it out: batches are cut by tokens, to what the model runs best on",
    "--normalize": "leave it out: vectors have unit length",
    "--normalize-embeddings": "leave it out: vectors have unit length",
    "--api-key": "keys are read from the environment or a .env file: OPENAI_API_KEY=... "
    "(CO_API_KEY for Cohere)",
    "--trust-remote-code": "code that comes with a model is never run",
    "--gpu": "--device cuda asks for it; a GPU that can be used is used unasked",
    "--cuda": "--device cuda asks for it; a GPU that can be used is used unasked",
    "--cpu": "--device cpu",
    "--dry-run": "veclab plan shows what veclab embed would do",
    "--quiet": "leave it out: in a pipe there is no progress bar; 2>/dev/null hides notes too",
    "--silent": "leave it out: in a pipe there is no progress bar; 2>/dev/null hides notes too",
    "--verbose": "leave it out: what there is to know is printed",
    "--threshold": "veclab similar --within FILE --duplicates 0.95",
    "--chunk-size": "--on-long split reads long texts in windows; veclab index cuts documents",
    "--resume": "leave it out: the same command goes on where it was interrupted",
    "--overwrite": "leave it out: the output is replaced, whole or not at all",
    "--revision": "the version on this machine is used: veclab models update NAME gets the newest",
    "--input": "the input is given without an option: veclab embed texts.csv -o vectors.parquet",
    "--file": "the input is given without an option: veclab embed texts.csv -o vectors.parquet",
}

# Other names of our commands, understood and not listed.
COMMANDS = {
    "nearest": "similar",
    "similarity": "similar",
    "neighbors": "similar",
    "neighbours": "similar",
    "quantise": "quantize",
    "encode": "embed",
    "embeddings": "embed",
    "vectorize": "embed",
    "vectorise": "embed",
    "estimate": "plan",
    "query": "search",
    "find": "search",
    "ingest": "index",
    "analogies": "analogy",
    "show": "inspect",
    "info": "inspect",
    "list": "models",
    "check": "doctor",
    "env": "doctor",
    "server": "serve",
}

# What no single command of ours is, and which ones to use.
NO_COMMAND = {
    "help": "veclab --help",
    "version": "veclab --version",
    "download": "veclab models pull NAME",
    "pull": "veclab models pull NAME",
    "benchmark": "veclab compare -m NAME -m NAME --data FILE",
    "evaluate": "veclab compare -m NAME --data FILE; for answers, veclab evaluate-rag",
    "eval": "veclab compare -m NAME --data FILE; for answers, veclab evaluate-rag",
    "plot": "veclab picture --help; for a page of points, veclab map VECTORS.parquet",
    "visualize": "veclab map VECTORS.parquet -o map.html",
    "visualise": "veclab map VECTORS.parquet -o map.html",
    "umap": "veclab map VECTORS.parquet -o map.html --method umap",
    "cluster": "veclab map VECTORS.parquet -o map.html shows clusters with their words",
    "dedupe": "veclab similar --within FILE --duplicates 0.95",
    "deduplicate": "veclab similar --within FILE --duplicates 0.95",
    "duplicates": "veclab similar --within FILE --duplicates 0.95",
    "chat": "veclab ask QUESTION --store STORE",
    "rag": "veclab ask QUESTION --store STORE",
    "convert": "a model is converted when it is first used; a file of vectors is read as it is",
    "config": "settings are options of each command (--help); VECLAB_HOME says where things lie",
}


class Commands(click.Group):
    """A group that knows other names for its commands and for their options."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command, by its name or another one for it."""
        found = super().get_command(ctx, cmd_name)
        if found is not None or ctx.parent is not None or cmd_name not in COMMANDS:
            return found
        found = super().get_command(ctx, COMMANDS[cmd_name])
        return None if found is None else copy.copy(found)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and put our names in place of others that its options have."""
        if ctx.parent is None and args and args[0] not in self.commands and args[0] in NO_COMMAND:
            raise click.UsageError(f"No such command {args[0]!r}: {NO_COMMAND[args[0]]}", ctx)
        name, command, rest = super().resolve_command(ctx, args)
        if command is None:
            return name, command, rest
        rest = our_words(command, ctx, rest)
        if not isinstance(command, click.Group):
            refuse_twice(command, ctx, rest)
        return command.name, command, rest


def our_words(command: click.Command, parent: click.Context, args: Sequence[str]) -> list[str]:
    """Return the arguments with our names of options; what the command knows is never touched.

    Raises:
        click.UsageError: an option that no command of ours has, with what to do instead.
    """
    words = list(args)
    with command.context_class(command, info_name=command.name, parent=parent) as ctx:
        for _ in args:  # each round replaces one word at least
            try:
                command.make_parser(ctx).parse_args(list(words))
            except click.NoSuchOption as error:
                ours = _ours(command, ctx, error.option_name)
                if ours is None:
                    break
                words = _replaced(words, error.option_name, ours)
            except click.UsageError:
                break  # the command itself says so
            else:
                break
    return words


def refuse_twice(command: click.Command, parent: click.Context, args: Sequence[str]) -> None:
    """Raise UsageError for an option of one value that is given twice: click takes the last."""
    with command.context_class(command, info_name=command.name, parent=parent) as ctx:
        try:
            given = command.make_parser(ctx).parse_args(list(args))[2]
        except click.UsageError:  # parsed again, it says so
            return
        for param in given:
            single = isinstance(param, click.Option) and not (
                param.multiple or param.count or param.is_flag
            )
            if single and given.count(param) > 1:
                option = max(param.opts, key=len)
                raise click.UsageError(f"{option} is given twice, and has one value", ctx)


def _ours(command: click.Command, ctx: click.Context, typed: str) -> str | None:
    """Return our name of an option; None where there is nothing to say that click does not."""
    known: set[str] = {
        name for p in command.get_params(ctx) for name in (*p.opts, *p.secondary_opts)
    }
    dashed = typed if len(typed) < 3 else typed.lower().replace("_", "-")
    candidates: list[str] = [dashed, *OPTIONS.get(dashed, ())]
    for candidate in candidates:
        if candidate in known and candidate != typed:
            return candidate
    if dashed in NO_OPTION:
        raise click.UsageError(f"No such option {typed!r}: {NO_OPTION[dashed]}", ctx)
    return None


def _replaced(words: list[str], typed: str, ours: str) -> list[str]:
    """Return the words with the first use of an option under our name."""
    for place, word in enumerate(words):
        if word == typed:
            return [*words[:place], ours, *words[place + 1 :]]
        if typed.startswith("--") and word.startswith(typed + "="):
            return [*words[:place], ours + word[len(typed) :], *words[place + 1 :]]
        if not typed.startswith("--") and word.startswith(typed) and len(word) > len(typed):
            return [*words[:place], ours, word[len(typed) :], *words[place + 1 :]]
    return words
