"""A stand-in for the model hub on loopback: what its client asks for, answered from folders."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LARGE = 10_000  # bytes from which a file is named by its SHA-256, as Git LFS does


class Hub:
    """Models by name, each a folder and a commit; `status` makes every answer fail."""

    def __init__(self):
        self.models: dict[str, tuple[Path, str]] = {}
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.url = ""

    def publish(self, name: str, folder: Path, commit: str = "a" * 40) -> None:
        self.models[name] = (folder, commit)

    def files(self, name: str) -> dict[str, Path]:
        folder = self.models[name][0]
        return {str(f.relative_to(folder)): f for f in sorted(folder.rglob("*")) if f.is_file()}


def digest_of(file: Path) -> str:
    data = file.read_bytes()
    if len(data) >= LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def answer(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            if "Content_Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            hub.asked.append(f"{self.command} {self.path}")
            if hub.status is not None:
                self.answer(hub.status, b"{}", **hub.headers)
                return
            path = self.path.split("?")[0]
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)/?", path):
                self.tell(match[1], match[2])
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
                self.give(match[1], match[2])
            else:
                self.answer(404, b"{}")

        def tell(self, name, what):
            if name not in hub.models:
                missing = {
                    "X_Error_Code": "RepoNotFound",
                    "X_Error_Message": "Repository not found",
                }
                self.answer(404, b"{}", **missing)
                return
            files = hub.files(name)
            if what == "revision":
                siblings = [{"rfilename": file} for file in files]
                body = {"id": name, "sha": hub.models[name][1], "siblings": siblings}
            else:
                body = [
                    {"type": "file", "path": file, "size": path.stat().st_size, "oid": "0" * 40}
                    for file, path in files.items()
                ]
            self.answer(200, json.dumps(body).encode(), Content_Type="application/json")

        def give(self, name, file):
            path = hub.files(name).get(file) if name in hub.models else None
            if path is None:
                self.answer(404, b"{}", X_Error_Code="EntryNotFound")
                return
            data = path.read_bytes()
            headers = {"ETag": f'"{digest_of(path)}"', "X_Repo_Commit": hub.models[name][1]}
            if (
                span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            ) is not None:
                start, stop = int(span[1]), int(span[2] or len(data) - 1) + 1
                headers["Content_Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
                self.answer(206, data[start:stop], **headers)
                return
            self.answer(200, data, **headers, Content_Length=str(len(data)))

    return Handler


@contextmanager
def serving():
    """Serve a hub of one's own for as long as the block lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
