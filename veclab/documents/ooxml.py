"""What Word, PowerPoint, OpenDocument and EPUB files share: XML in a zip archive."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree

from veclab.documents.limits import Unreadable, human, open_zip

Element = ElementTree.Element

_TOO_LARGE = 64 << 20  # of one part, in bytes: its tree takes many times that
_CORE = {"title": "title", "creator": "author", "subject": "subject", "language": "language"}


class Package:
    """The parts of a file, by name.

    Raises:
        Unreadable: the archive is damaged or too large; and of every method, that a part is.
    """

    def __init__(self, data: bytes, limit: int) -> None:
        self._archive = open_zip(data, limit)
        self.names = set(self._archive.namelist())

    def read(self, name: str) -> bytes:
        """A part's bytes."""
        try:
            return self._archive.read(name)
        except KeyError:
            raise Unreadable(f"it has no part {name}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise Unreadable(f"its part {name} is damaged ({error})") from error

    def xml(self, name: str) -> Element:
        """A part's root element."""
        data = self.read(name)
        if len(data) > _TOO_LARGE:
            raise Unreadable(f"its part {name} has {human(len(data))}, too much XML to read")
        if b"<!ENTITY" in data:  # none of these formats needs any; bombs do
            raise Unreadable(f"its part {name} defines XML entities")
        try:
            return ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise Unreadable(f"its part {name} is damaged ({error})") from error

    def targets(self, name: str) -> dict[str, tuple[str, str]]:
        """What a part refers to, by id: the last word of the relation's type, and the part."""
        folder, base = posixpath.split(name)
        relations = f"{folder}/_rels/{base}.rels".lstrip("/")
        if relations not in self.names:
            return {}
        return {
            item.get("Id", ""): (
                item.get("Type", "").rsplit("/", 1)[-1],
                resolve(name, item.get("Target", "")),
            )
            for item in self.xml(relations)
            if item.get("TargetMode") != "External"
        }

    def core(self) -> dict[str, str]:
        """Title, author, date and the like of an Office file."""
        if "docProps/core.xml" not in self.names:
            return {}
        return dublin_core(self.xml("docProps/core.xml"))


def dublin_core(root: Element) -> dict[str, str]:
    """The fields of Dublin Core below an element, under the names used here."""
    found: dict[str, str] = {}
    for item in root.iter():
        name, value = local(item), " ".join((item.text or "").split())
        if value and name in _CORE:
            found.setdefault(_CORE[name], value)
        elif value and name in ("modified", "date"):
            found.setdefault("date", value[:10])
    return found


def resolve(part: str, target: str) -> str:
    """The name of the part that another one refers to."""
    target = unquote(target.split("#", 1)[0])
    if target.startswith("/"):
        return target[1:]
    return posixpath.normpath(posixpath.join(posixpath.dirname(part), target))


def local(element: Element) -> str:
    """An element's name without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str | None:
    """An attribute's value by its name without namespace."""
    for key, value in element.attrib.items():
        if key.rsplit("}", 1)[-1] == name:
            return value
    return None


def child(element: Element, *path: str) -> Element | None:
    """The first descendant down a path of names without namespaces."""
    found: Element | None = element
    for name in path:
        found = next((c for c in found if local(c) == name), None) if found is not None else None
    return found


def walk(element: Element, skipped: frozenset[str], whole: frozenset[str]) -> Iterator[Element]:
    """Descendants in order, without recursion.

    Args:
        element: where to begin.
        skipped: names that are left out with all that is in them.
        whole: names that are given and not gone into.
    """
    waiting = list(element)[::-1]
    while waiting:
        item = waiting.pop()
        name = local(item)
        if name in skipped:
            continue
        yield item
        if name not in whole:
            waiting += list(item)[::-1]
