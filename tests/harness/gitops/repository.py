"""Git repositories on loopback, served as a git host serves them: over HTTP, by git's own upload-pack."""

import gzip
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.harness.controlplane.commands import LOOPBACK

_AUTHOR: Final = {
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
_SERVICE: Final = "git-upload-pack"


class Repository:
    """A repository with the branch `main`."""

    def __init__(self, folder: Path, url: str) -> None:
        """Create it empty in the folder; the server offers it at the URL."""
        self.url: Final = url
        self._folder = folder
        folder.mkdir()
        self._git("init", "--quiet", "--initial-branch=main")

    def commit(self, files: Mapping[str, str], tag: str | None = None) -> str:
        """Commit exactly these files, by their paths; return the commit."""
        self._git("rm", "-r", "--quiet", "--ignore-unmatch", ".")
        for name, content in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message=test")
        if tag is not None:
            self._git("tag", tag)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self._folder,
            env={**os.environ, **_AUTHOR},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout


class GitServer:
    """Serves the repositories in a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        """Use the folder of the repositories and the port of the HTTP server."""
        self._folder = folder
        self._port = port

    def create(self, name: str) -> Repository:
        """Create a repository."""
        return Repository(self._folder / name, f"http://{LOOPBACK}:{self._port}/{name}")


@contextmanager
def git_server(folder: Path) -> Iterator[GitServer]:
    """Serve the repositories of a folder until the block ends."""
    handler = type("Handler", (_Handler,), {"folder": folder})
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="git server")
        thread.start()
        try:
            yield GitServer(folder, server.server_port)
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """The two requests of a fetch (git's Documentation/gitprotocol-http)."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        """Advertise the references."""
        address = urlsplit(self.path)
        name, _, what = address.path.removeprefix("/").partition("/")
        if what != "info/refs" or address.query != f"service={_SERVICE}":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        head = f"# service={_SERVICE}\n"
        announced = f"{len(head) + 4:04x}{head}0000".encode()
        self._answer("advertisement", announced + self._upload_pack(name, b"", "--http-backend-info-refs"))

    def do_POST(self) -> None:
        """Send the objects that the client asks for."""
        name, _, what = self.path.removeprefix("/").partition("/")
        if what != _SERVICE:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self._answer("result", self._upload_pack(name, body))

    def _upload_pack(self, name: str, body: bytes, *flags: str) -> bytes:
        command = ["git", "upload-pack", "--stateless-rpc", *flags, str(self.folder / name)]
        environment = {**os.environ, **_AUTHOR, "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}
        return subprocess.run(command, input=body, env=environment, check=True, capture_output=True).stdout

    def _answer(self, what: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"application/x-{_SERVICE}-{what}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""
