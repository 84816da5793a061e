"""Which reader reads which file: a new format is a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from veclab.documents.code import read_code
from veclab.documents.document import Extracted
from veclab.documents.docx import read_docx
from veclab.documents.epub import read_epub
from veclab.documents.html import read_html
from veclab.documents.markdown import read_markdown
from veclab.documents.odt import read_odt
from veclab.documents.pdf import read_pdf
from veclab.documents.plain import read_text
from veclab.documents.pptx import read_pptx


@dataclass(frozen=True)
class Format:
    """A format of documents.

    Attributes:
        read: makes text of a file's bytes; the second argument is how many bytes it may unpack to.
        suffixes: of its files.
        version: raised whenever the reader makes another text or other blocks of the same file.
        apart: whether it is parsed in a process of its own, with limits of time and memory.
    """

    read: Callable[[bytes, int], Extracted]
    suffixes: tuple[str, ...]
    version: int = 1
    apart: bool = True


def _plain(read: Callable[[bytes], Extracted]) -> Callable[[bytes, int], Extracted]:
    """A reader of a format that is not packed."""
    return lambda data, _: read(data)


_CODE = (
    *(".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".scala", ".go", ".rs"),
    *(".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".cs", ".swift", ".rb", ".php", ".lua"),
    *(".pl", ".pm", ".sh", ".bash", ".r", ".jl", ".sql", ".dart", ".ex", ".exs", ".hs", ".ml"),
)
FORMATS = {
    "text": Format(_plain(read_text), (".txt", ".text", ".log", ".rst", ".adoc"), 2, apart=False),
    "markdown": Format(_plain(read_markdown), (".md", ".markdown", ".mdown")),
    "html": Format(_plain(read_html), (".html", ".htm", ".xhtml"), 3),
    "pdf": Format(_plain(read_pdf), (".pdf",)),
    "docx": Format(read_docx, (".docx", ".docm")),
    "pptx": Format(read_pptx, (".pptx", ".pptm")),
    "odt": Format(read_odt, (".odt",)),
    "epub": Format(read_epub, (".epub",), 3),
    "code": Format(_plain(read_code), _CODE),
}
RECORDS = (".jsonl", ".ndjson", ".csv", ".tsv")
_BY_SUFFIX = {suffix: kind for kind, format in FORMATS.items() for suffix in format.suffixes}
_NAMES = {"readme", "license", "copying", "changelog", "changes", "news", "authors", "notice"}


def kind_of(name: str) -> str | None:
    """The format of a file by its name: a key of `FORMATS`, `records`, or None for no reader."""
    path = PurePath(name.lower().removesuffix(".gz"))
    if path.suffix in RECORDS:
        return "records"
    if not path.suffix and path.name in _NAMES:
        return "text"
    return _BY_SUFFIX.get(path.suffix)
