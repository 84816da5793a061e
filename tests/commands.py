"""Commands of ours in messages: found, and held against the command line."""

from __future__ import annotations

import re
import shlex

import click

from veclab.cli.app import app


def commands_in(text: str) -> list[str]:
    """Return the veclab commands that a message says, less what follows them."""
    found = re.findall(r"veclab [a-z][a-z-]*(?: +(?:'[^']*'|\"[^\"]*\"|[^\s`;()&'\"])+)*", text)
    return [command.rstrip(".,:") for command in found]


def assert_spelled(line: str) -> None:
    """Fail unless a command exists, with every option that is written."""
    words = shlex.split(line)[1:]
    command, context = app, click.Context(app, info_name="veclab")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, click.Context(found, info_name=found.name, parent=context)
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    for word in words:
        if re.match(r"--?[a-zA-Z]", word):
            assert word.partition("=")[0] in {*known, "--help", "--version"}, line
