"""HTML: the words as a browser shows them, with headings, paragraphs, tables and code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from veclab.documents.building import Builder
from veclab.documents.document import Extracted, Metadata
from veclab.errors import MissingExtra

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = _words(
    "address article aside blockquote body center dd details dialog div dl dt fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html li main menu nav "
    "ol p pre search section summary table tbody tfoot thead tr ul"
)
_TIGHT = frozenset({"li", "dt", "tr", "thead", "tbody", "tfoot", "summary"})
_CELLS = frozenset({"td", "th"})
# Never words of the document.
_UNSEEN = _words(
    "script style template noscript svg math head iframe object canvas video audio select "
    "textarea button datalist"
)
_LISTS = frozenset({"ul", "ol", "dl"})
# How documentation tools mark what only leads to other pages.
_NAVIGATION = frozenset({"navheader", "navfooter", "sphinxsidebar", "related", "headerlink"})
_FEWEST = 4  # links that make a list of links
_ELSEWHERE = re.compile(r"(?!javascript:)[a-zA-Z][\w+.-]*:|//")
_TERM = 6  # a term of a list stands below headings of this level
_LONGEST_TERM = 200
_SPACE = re.compile(r"[ \t\r\n\f]+")


def read_html(data: bytes) -> Extracted:
    """The page's own words: the main part where it marks one, without navigation and scripts."""
    builder = Builder()
    data, notes = _utf8(data)
    parser, left_out = _read(builder, data)
    if left_out:
        notes.append(f"{left_out} part(s) left out that only lead to other pages")
    title = parser.css_first("head > title")
    name = " ".join(title.text().split()) if title is not None else ""
    if not name and builder.blocks and builder.blocks[0].headings:
        name = builder.blocks[0].headings[0]
    return Extracted(builder.text, builder.blocks, name, metadata=_metadata(parser), notes=notes)


def read_into(builder: Builder, data: bytes) -> None:
    """Add a page's words to a document of several pages; its headings begin anew."""
    builder.outline.leave(1)
    _read(builder, _utf8(data)[0])


def _read(builder: Builder, data: bytes) -> tuple[LexborHTMLParser, int]:
    """Add a page's words; gives how many parts were left out as well."""
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError:
        raise MissingExtra("documents", "reading HTML") from None
    parser = LexborHTMLParser(data)
    root = parser.body or parser.root
    if root is None:
        return parser, 0
    mains = parser.css("main, [role=main]")
    if len(mains) == 1 and len(mains[0].text(strip=True)) > 200:
        root = mains[0]
    page = _Page(builder)
    page.walk(root)
    return parser, page.left_out


def _utf8(data: bytes) -> tuple[bytes, list[str]]:
    """The same page in UTF-8, and notes: a mark in front or the page says what it is in."""
    from veclab.documents.plain import decode

    head = data[:2048].lower()
    declared = re.search(rb"charset\s*=\s*[\"']?\s*([a-z0-9_-]+)", head)
    if declared and data[:2] not in (b"\xff\xfe", b"\xfe\xff") and data[:3] != b"\xef\xbb\xbf":
        name = declared.group(1).decode()
        name = "cp1252" if name in ("iso-8859-1", "latin1", "us-ascii", "ascii") else name
        try:
            return data.decode(name).encode(), []
        except (LookupError, UnicodeDecodeError):
            pass  # it says so and is not: found out below
    text, notes = decode(data)
    return text.encode(), notes


def _metadata(parser: LexborHTMLParser) -> Metadata:
    found: dict[str, str] = {}
    for node in parser.css("head > meta[name][content]"):
        name = (node.attributes.get("name") or "").lower()
        value = node.attributes.get("content")
        if name in ("author", "description", "keywords", "date") and value:
            found[name] = value
    root = parser.css_first("html")
    if root is not None and (language := root.attributes.get("lang")):
        found["language"] = language
    return found


class _Page:
    """Walks a tree without recursion: pages nested a hundred thousand deep are read as well."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.left_out = 0
        self._parts: list[str] = []  # of the block being read
        self._pre = 0
        self._lists = 0  # that the node stands in
        self._glossaries = 0  # lists of terms and definitions that the node stands in
        self._anchor = ""
        self._inside_link = False  # one into this site
        self._linked = 0  # characters of the block being read that are such links
        self._links: list[tuple[str, str, str]] = []  # blocks of nothing else, not yet added

    def walk(self, root: LexborNode) -> None:
        for node, enters in _events(root, self._skips):
            tag = node.tag
            if tag == "-text":
                self._text(node.text_content or "")
            elif tag == "br":
                if enters:
                    self._parts.append("\n")
            elif tag in _HEADINGS:
                self._heading(node, enters)
            elif tag == "pre":
                self._end("text" if enters else "code")
                self._pre += 1 if enters else -1
            elif tag in _CELLS:
                if not enters:
                    self._parts.append("\t")
            elif tag == "table":
                self._end("text" if enters else "table")
            elif tag == "dd":
                self._definition(enters)
            elif tag in _TIGHT:
                self._parts.append("\n")
            elif tag in _BLOCKS:
                self._end("text")
                if tag in _LISTS:
                    self._lists += 1 if enters else -1
                if tag == "dl":
                    self._glossaries += 1 if enters else -1
                    self.builder.outline.leave(_TERM + self._glossaries + 1)
            if enters and tag in ("section", "div", "a") and node.attributes:
                self._mark(node)
            if tag == "a" and _leads_inside(node):
                self._inside_link = enters
        self._end("text")
        self._settle()

    def _skips(self, node: LexborNode) -> bool:
        tag = node.tag
        if tag in _UNSEEN or tag in ("-comment", "!doctype"):
            return True
        if tag == "-text":
            return False
        attributes = node.attributes
        classes = set((attributes.get("class") or "").split()) if attributes else set()
        leads = (
            tag == "nav" or attributes.get("role") == "navigation" or bool(classes & _NAVIGATION)
        )
        if tag in _LISTS and not self._lists:
            leads = leads or _is_contents(node)
        self.left_out += leads and "headerlink" not in classes
        return leads or "hidden" in attributes

    def _mark(self, node: LexborNode) -> None:
        if name := node.attributes.get("id"):
            self._anchor = name

    def _text(self, text: str) -> None:
        self._parts.append(text if self._pre else _SPACE.sub(" ", text))
        if self._inside_link:
            self._linked += len("".join(text.split()))

    def _heading(self, node: LexborNode, enters: bool) -> None:
        if enters:
            self._end("text")
            self._mark(node)
        else:
            words = " ".join("".join(self._parts).split())
            self._parts, self._linked = [], 0
            self._settle()
            self.builder.heading(_HEADINGS[str(node.tag)], words, self._anchor)

    def _definition(self, enters: bool) -> None:
        """A definition stands under its terms, as under a heading below all others."""
        terms = [" ".join(line.split()) for line in "".join(self._parts).split("\n")]
        title = "\n".join(term for term in terms if term)
        if enters and self._glossaries and 0 < len(title) <= _LONGEST_TERM:
            self._parts, self._linked = [], 0
            self._settle()
            self.builder.heading(_TERM + self._glossaries, title, self._anchor)
        else:
            self._end("text")

    def _end(self, kind: str) -> None:
        """Close the block being read."""
        text = "".join(self._parts)
        self._parts = []
        if not self._pre:
            lines = (re.sub(r"[ \t]*\t[ \t]*", "\t", line) for line in text.split("\n"))
            lines = (re.sub(" +", " ", line).strip(" \t") for line in lines)
            text = "\n".join(line for line in lines if line)
        linked, self._linked = self._linked, 0
        if linked and linked >= 0.9 * len("".join(text.split())):
            self._links.append((text, kind, self._anchor))
        elif text.strip():
            self._settle()
            self.builder.add(text, kind, self._anchor)

    def _settle(self) -> None:
        """Add the blocks of links that wait, or leave them out where they are many in a row."""
        if len(self._links) >= _FEWEST:
            self.left_out += 1
        else:
            for block in self._links:
                self.builder.add(*block)
        self._links = []


def _is_contents(node: LexborNode) -> bool:
    """Whether a list holds nothing but links into this site: the words of all headings there."""
    links = node.css("a[href]")
    if len(links) < _FEWEST or not all(map(_leads_inside, links)):
        return False
    linked = sum(len("".join(link.text().split())) for link in links)
    return linked >= 0.9 * len("".join(node.text().split()))


def _leads_inside(link: LexborNode) -> bool:
    target = link.attributes.get("href")
    return target is not None and not _ELSEWHERE.match(target)


def _events(
    root: LexborNode, skips: Callable[[LexborNode], bool]
) -> Iterator[tuple[LexborNode, bool]]:
    """Every node below the root in order, elements once when entered and once when left."""
    node, depth = root.child, 1
    while node is not None:
        if not skips(node):
            yield node, True
            if node.tag != "-text" and node.child is not None:
                node, depth = node.child, depth + 1
                continue
            if node.tag != "-text":
                yield node, False
        while node is not None and node.next is None:
            depth -= 1
            if not depth:
                return
            node = node.parent
            if node is not None:
                yield node, False
        node = node.next if node is not None else None
