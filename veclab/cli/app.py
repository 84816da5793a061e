"""The command `veclab`: its subcommands, and what becomes of errors."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from io import StringIO, TextIOWrapper
from typing import Any

import click
from click.shell_completion import get_completion_class

from veclab.cli.adopt import adopt
from veclab.cli.analogy import analogy
from veclab.cli.ask import ask
from veclab.cli.audit import audit
from veclab.cli.batch import batch
from veclab.cli.bias import bias
from veclab.cli.cache import cache
from veclab.cli.compare import compare
from veclab.cli.console import echo
from veclab.cli.distill import distill
from veclab.cli.doctor import doctor
from veclab.cli.embed import embed
from veclab.cli.evaluate_rag import evaluate_rag
from veclab.cli.index import index
from veclab.cli.inspect import inspect
from veclab.cli.inspect_text import inspect_text
from veclab.cli.map import map_
from veclab.cli.migrate import migrate
from veclab.cli.models import models
from veclab.cli.picture import picture
from veclab.cli.plan import plan
from veclab.cli.quantize import quantize
from veclab.cli.search import search
from veclab.cli.serve import serve
from veclab.cli.similar import similar
from veclab.cli.store import store
from veclab.cli.tune import tune
from veclab.cli.typed import Commands
from veclab.cli.watch import watch
from veclab.errors import VeclabError


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="veclab")
def app() -> None:
    """A workbench for text embeddings: text in, vectors you can trust out."""


@app.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell completion script for veclab.

    For bash: veclab completion bash >> ~/.bashrc
    """
    kind = get_completion_class(shell)
    assert kind is not None
    echo(kind(app, {}, "veclab", "_VECLAB_COMPLETE").source())


for command in (
    embed,
    plan,
    batch,
    index,
    search,
    store,
    watch,
    migrate,
    similar,
    analogy,
    ask,
    evaluate_rag,
    serve,
    compare,
    audit,
    adopt,
    bias,
    picture,
    map_,
    models,
    distill,
    tune,
    quantize,
    inspect,
    inspect_text,
    cache,
    doctor,
):
    app.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done; 1 something failed; 2 wrong usage or input; 130 interrupted.
    """
    warnings.showwarning = _show_warning
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal without UTF-8 shows an escape for what it has no character for.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        result = app.main(arguments, prog_name="veclab", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except VeclabError as error:
        echo(f"veclab: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        echo(shown.getvalue().rstrip("\n"), err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        echo("veclab: interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # a fault of ours: its message may hold a text of others
        echo(traceback.format_exc().rstrip(), err=True)
        return 1


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    echo(f"veclab: {message}", err=True)
