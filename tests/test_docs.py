"""The documentation: its links lead somewhere, its commands exist, its Python runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import veclab
from veclab.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
names = [str(page.relative_to(ROOT)) for page in PAGES]


def python_blocks(page: Path) -> list[str]:
    """The page's Python, less what is marked as needing a key or a network: ```python no-run."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def command_lines(page: Path) -> Iterator[str]:
    """The lines that show a veclab command being typed, continued lines joined."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        typed = re.match(r"^ *\$ (veclab .*)", line)
        if typed:
            yield re.split(r" [|>;&]|  +#", typed[1])[0]


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        file = target.partition("#")[0]
        assert (page.parent / file).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_commands_are_spelled_as_they_are(page):
    for line in command_lines(page):
        words = shlex.split(line)[1:]
        command, context = app, click.Context(app, info_name="veclab")
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            assert found is not None, f"no such command: {line}"
            command, context = found, click.Context(found, info_name=words[0], parent=context)
            words = words[1:]
        known = {
            name for option in command.params for name in (*option.opts, *option.secondary_opts)
        }
        for word in words:
            if re.match(r"--?[a-zA-Z]", word):
                assert word.partition("=")[0] in {*known, "--help", "-h", "--version"}, line


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if python_blocks(p)], ids=lambda p: p.stem)
def test_python_runs(page, tmp_path, environment, converted_home):
    """All blocks of a page, one after the other, where the examples lie."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    code = "\n\n".join(python_blocks(page))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"VECLAB_HOME": str(converted_home), "VECLAB_ENGINE": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_option_says_what_it_does():
    def silent(command: click.Command, path: str) -> Iterator[str]:
        if not (command.help or "").strip():
            yield path
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden and not parameter.help:
                yield f"{path} {parameter.opts[0]}"
        if isinstance(command, click.Group):
            for name, below in command.commands.items():
                yield from silent(below, f"{path} {name}")

    assert list(silent(app, "veclab")) == []


def test_the_list_of_commands_shows_whole_summaries():
    reference = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert "..." not in reference.partition("\nCommands:\n")[2].partition("```")[0]


@pytest.mark.parametrize("name", veclab.__all__)
def test_every_public_name_is_documented(name):
    assert (getattr(veclab, name).__doc__ or "").strip()


def test_the_reference_is_not_stale():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build_reference.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_reckoned_of_scale_is_not_stale():
    command = [sys.executable, "-m", "benchmarks.scale_plan", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
