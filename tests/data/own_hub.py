"""A hub on this machine with one data set, `me/pictures`: as much of its API as `datasets` asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

NAME, COMMIT = "me/pictures", "0" * 40


@contextmanager
def hub(root: Path) -> Iterator[str]:
    """Serves the files below `root`; gives the address."""

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def told(self, value: Any) -> None:
            self.answer(json.dumps(value).encode(), Content_Type="application/json")

        def entry(self, path: Path) -> dict[str, Any]:
            about = {"path": path.relative_to(root).as_posix(), "oid": COMMIT}
            if path.is_dir():
                return {**about, "type": "directory", "size": 0}
            return {**about, "type": "file", "size": path.stat().st_size}

        def do_GET(self) -> None:
            path = urlparse(self.path).path
            place = root / "/".join(
                path.partition(f"{NAME}/")[2].split("/")[2:]
            )  # behind resolve or tree, and a commit
            if path == "/":
                self.answer(b"")
            elif NAME not in path:
                self.answer(b"", 404, X_Error_Code="RepoNotFound")
            elif "/resolve/" in path and place.is_file():
                content = place.read_bytes()
                self.answer(content, X_Repo_Commit=COMMIT, ETag=f'"{hashlib.sha1(content).hexdigest()}"')
            elif "/tree/" in path and place.is_dir():
                self.told([self.entry(each) for each in sorted(place.iterdir())])
            elif "/resolve/" in path or "/tree/" in path:
                self.answer(b"", 404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            else:
                files = [{"rfilename": self.entry(each)["path"]} for each in root.rglob("*") if each.is_file()]
                self.told({"id": NAME, "sha": COMMIT, "private": False, "tags": [], "siblings": files})

        do_HEAD = do_GET

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
