"""Write the pages of the reference that come from the code: `docs/reference/`.

    python docs/build_reference.py            # write them
    python docs/build_reference.py --check    # exit 1 if they are not what would be written

`commands.md` holds each command's `--help`. `python.md` names every public object; mkdocstrings
puts the docstrings in when the site is built (`make docs`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

HERE = Path(__file__).parent / "reference"
WIDTH = 100


def commands(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """The help of a command and of all below it, as sections."""
    settings = command.context_settings | {"terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield f"## `{context.command_path}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from commands(found, below, context)


def command_page() -> str:
    """The page of the command line."""
    from veclab.cli.app import app

    head = (
        "# Commands\n\nWhat each command prints for `--help`. "
        "Exit codes: 0 done, 1 something failed, 2 wrong usage or input, 130 interrupted.\n\n"
    )
    return head + "\n".join(commands(app, "veclab", None))


def python_page() -> str:
    """The page of the Python interface: objects by the module they are from."""
    import veclab

    modules: dict[str, list[str]] = {}
    for name in sorted(veclab.__all__, key=lambda name: (name[0].islower(), name)):
        modules.setdefault(getattr(veclab, name).__module__, []).append(name)
    order = sorted(modules, key=lambda module: (len(module.split(".")), module))
    parts = [
        "# Python\n\nEvery public name, as `veclab.NAME`. Importing veclab loads nothing else; "
        "each name is fetched from its module when it is first used.\n"
    ]
    for module in order:
        first = (sys.modules[module].__doc__ or module).strip().partition("\n")[0]
        parts.append(f"## {first}\n")
        parts += [f"### `veclab.{name}`\n\n::: {module}.{name}\n" for name in modules[module]]
    return "\n".join(parts)


def main() -> int:
    """Write or check the pages; the number of stale ones."""
    stale = 0
    for name, text in (("commands.md", command_page()), ("python.md", python_page())):
        path = HERE / name
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"{path} is stale: python docs/build_reference.py", file=sys.stderr)
                stale += 1
        else:
            path.write_text(text, encoding="utf-8")
    return min(stale, 1)


if __name__ == "__main__":
    sys.exit(main())
