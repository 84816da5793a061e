"""Make the notebook from the Markdown pages in `course/`, run it, and save it with its outputs.

    python notebooks/build.py            # make, run, save (a few minutes)
    python notebooks/build.py --prose    # make and save with the outputs there are: same code only
    python notebooks/build.py --check    # only say whether the saved notebook is that of the pages

Every ```python block becomes a code cell, all else Markdown, except within <details>: solutions
stay folded text.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.notebooknode import NotebookNode

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE / "Vector_Embeddings_Tutorial.ipynb"

_CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FOLDED = re.compile(r"^<details>.*?^</details>$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """The Markdown pages, in order."""
    return sorted((HERE / "course").glob("[0-9]*.md"))


def cells_of(page: str) -> list[NotebookNode]:
    """The cells of one page, without outputs."""
    cells = []
    folded = [match.span() for match in _FOLDED.finditer(page)]

    def prose(text: str) -> None:
        if text.strip():
            cells.append(nbformat.v4.new_markdown_cell(text.strip()))

    end = 0
    for match in _CODE.finditer(page):
        if any(start < match.start() < stop for start, stop in folded):
            continue
        prose(page[end : match.start()])
        cells.append(nbformat.v4.new_code_cell(match[1].rstrip("\n")))
        end = match.end()
    prose(page[end:])
    return cells


def solutions_of(cell: NotebookNode) -> list[str]:
    """The code in the folded solutions of a Markdown cell."""
    folded = _FOLDED.findall(cell.source) if cell.cell_type == "markdown" else []
    return [code[1] for text in folded for code in _CODE.finditer(text)]


def notebook() -> NotebookNode:
    """The whole notebook, without outputs."""
    made = nbformat.v4.new_notebook()
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    made.metadata["language_info"] = {"name": "python"}
    for page in pages():
        made.cells += cells_of(page.read_text(encoding="utf-8"))
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number:03d}"  # the same pages are the same file
    return made


def same_sources(saved: NotebookNode, made: NotebookNode) -> bool:
    """Whether two notebooks have the same cells, outputs aside."""
    return [(c.cell_type, c.source) for c in saved.cells] == [
        (c.cell_type, c.source) for c in made.cells
    ]


def run(made: NotebookNode) -> int:
    """Run all cells in order, and each folded solution where it stands; returns how many there are.

    The answers leave no trace in the notebook.

    Raises:
        CellExecutionError: of the first cell that fails.
        RuntimeError: a solution does not solve its exercise, or an exercise is not open before.
    """
    os.environ["VECLAB_COURSE_OFFLINE"] = "1"  # what is saved was not paid for
    client = NotebookClient(
        made, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}
    )
    cells, solved, number = list(made.cells), 0, 0
    check = nbformat.v4.new_code_cell("")
    with client.setup_kernel():
        for index, cell in enumerate(cells):
            if cell.cell_type == "code":
                number += 1
                client.execute_cell(cell, index, execution_count=number)
                for counted in (cell, *(o for o in cell.outputs if "execution_count" in o)):
                    counted.execution_count = number
                cell.metadata.pop("execution", None)  # times of day
                if cell.source.startswith("@check("):
                    check = cell
                    if "your turn" not in printed(cell):
                        raise RuntimeError(f"not open before it is solved:\n{cell.source}")
            for solution in solutions_of(cell):
                answer = nbformat.v4.new_code_cell(f"{solution}\n{check.source}")
                made.cells.append(answer)
                client.execute_cell(answer, len(made.cells) - 1)
                if "solved" not in printed(answer):
                    raise RuntimeError(f"not solved by its solution:\n{answer.source}")
                solved += 1
    made.cells = cells
    return solved


def printed(cell: NotebookNode) -> str:
    """What a cell wrote on standard output."""
    return "".join(output.get("text", "") for output in cell.outputs)


def with_outputs_of(saved: NotebookNode, made: NotebookNode) -> NotebookNode:
    """The notebook with the saved outputs; exits unless the code is the same."""
    old, new = ([c for c in book.cells if c.cell_type == "code"] for book in (saved, made))
    if [cell.source for cell in old] != [cell.source for cell in new]:
        sys.exit("code has changed: run notebooks/build.py without --prose")
    for before, after in zip(old, new, strict=True):
        after.outputs, after.execution_count = before.outputs, before.execution_count
    return made


def main() -> None:
    """Make it, or check it."""
    made = notebook()
    if "--check" in sys.argv[1:]:
        if not same_sources(nbformat.read(NOTEBOOK, as_version=4), made):
            sys.exit("the saved notebook is not that of notebooks/course: run notebooks/build.py")
        return
    if "--prose" in sys.argv[1:]:
        made = with_outputs_of(nbformat.read(NOTEBOOK, as_version=4), made)
    else:
        run(made)
    nbformat.write(made, NOTEBOOK)
    print(f"{NOTEBOOK.name}: {len(made.cells)} cells, {NOTEBOOK.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
