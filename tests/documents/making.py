"""Small real files, made on the spot."""

from __future__ import annotations

import zlib
from collections.abc import Sequence


def make_pdf(
    pages: Sequence[Sequence[str | tuple[float, float, float, str]]],
    *,
    outline: Sequence[tuple[str, int]] = (),
    info: dict[str, str] | None = None,
    encrypted: bool = False,
    compress: bool = False,
) -> bytes:
    """A PDF of the given lines, from scratch.

    A line is a string, set in 11 points below the one before it, or (x, y, size, text). `outline`
    holds titles with their pages, counted from 0.
    """
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    font = add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    tree = add(b"")  # filled in below
    kids = []
    for lines in pages:
        drawn, y = [], 760.0
        for line in lines:
            x, size = 72.0, 11.0
            if isinstance(line, tuple):
                x, y, size, line = line
            shown = line.encode("cp1252").replace(b"\\", b"\\\\")
            shown = shown.replace(b"(", b"\\(").replace(b")", b"\\)")
            drawn.append(b"BT /F1 %.1f Tf %.1f %.1f Td (%s) Tj ET" % (size, x, y, shown))
            y -= 14
        content = b"\n".join(drawn)
        extra = b""
        if compress:
            content, extra = zlib.compress(content), b" /Filter /FlateDecode"
        stream = add(b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(content), extra, content))
        kids.append(
            add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
                b"/Resources << /Font << /F1 %d 0 R >> >> >>" % (tree, stream, font)
            )
        )
    refs = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[tree - 1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), refs)
    extra = b""
    if outline:
        extra = b" /Outlines %d 0 R" % _add_outline(add, objects, outline, kids)
    catalog = add(b"<< /Type /Catalog /Pages %d 0 R%s >>" % (tree, extra))
    trailer = b"/Root %d 0 R" % catalog
    if info:
        fields = b" ".join(b"/%s (%s)" % (k.encode(), v.encode("cp1252")) for k, v in info.items())
        trailer += b" /Info %d 0 R" % add(b"<< %s >>" % fields)
    if encrypted:
        lock = add(
            b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <"
            + b"11" * 32
            + b"> /U <"
            + b"22" * 32
            + b"> >>"
        )
        trailer += b" /Encrypt %d 0 R /ID [<00> <00>]" % lock
    return pdf_of_objects(objects, trailer)


def _add_outline(add, objects, outline, kids) -> int:
    root = add(b"")
    first = len(objects) + 1
    for index, (title, page) in enumerate(outline):
        links = b"/Parent %d 0 R" % root
        if index:
            links += b" /Prev %d 0 R" % (first + index - 1)
        if index < len(outline) - 1:
            links += b" /Next %d 0 R" % (first + index + 1)
        add(
            b"<< /Title (%s) %s /Dest [%d 0 R /Fit] >>"
            % (title.encode("cp1252"), links, kids[page])
        )
    objects[root - 1] = b"<< /Type /Outlines /First %d 0 R /Last %d 0 R /Count %d >>" % (
        first,
        first + len(outline) - 1,
        len(outline),
    )
    return root


def pdf_of_objects(objects: Sequence[bytes], trailer: bytes) -> bytes:
    """A PDF of the given objects, numbered from 1."""
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        trailer,
        start,
    )
    return bytes(out)
