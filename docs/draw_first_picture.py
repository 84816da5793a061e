"""Draw docs/first.svg: what the command on the README's first screen prints."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]


def first_command() -> str:
    """The command on the README's first screen."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^    (veclab .*)$", text, re.M)[0].split("  #")[0].strip()


def main() -> None:
    """Run it, and draw what it prints."""
    command = first_command()
    words = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, "-m", "veclab", *words], capture_output=True, text=True, check=True
    )
    console = Console(record=True, width=66, file=io.StringIO(), force_terminal=True)
    shown = command.replace('" "', '" \\\n    "').replace('similar "', 'similar \\\n    "')
    console.print(Text(f"$ {shown}\n", style="bold"))
    console.print(Text(done.stdout.rstrip("\n")))
    svg = console.export_svg(title="veclab", unique_id="first")
    # No font is fetched from elsewhere: the reader's own monospaced one will do.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    svg = svg.replace("Fira Code", "ui-monospace, Menlo, Consolas").rstrip()
    (ROOT / "docs" / "first.svg").write_text(svg + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
