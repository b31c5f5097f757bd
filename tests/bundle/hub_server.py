"""A hub on loopback, for tests: the endpoints of Hugging Face's hub that pushing and pulling a bundle use.

Files of a model repository live in memory, by commit. Large ones (``.onnx``) go through LFS, as on the hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "a" * 34


@dataclass
class Repository:
    """The commits of one repository: files by path, newest last; names of branches and tags."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def resolve(self, revision: str) -> str | None:
        commit = self.names.get(revision, revision)
        return commit if commit in self.commits else None


class Hub(ThreadingHTTPServer):
    """The server; ``asked`` lists each request, ``told`` the sizes that it gives in place of the true ones."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.told: dict[str, int | None] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        repository = self.repositories.setdefault(name, Repository(private=False))
        parent = repository.names.get(branch, "")
        text = repr((parent, sorted((path, hashlib.sha256(data).hexdigest()) for path, data in files.items())))
        made = hashlib.sha1(text.encode()).hexdigest()
        repository.commits[made] = {**repository.commits.get(parent, {}), **files}
        repository.names[branch] = made
        return made


@contextmanager
def running_hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self._answer("HEAD")

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((method, path))
        for pattern, handle in _ROUTES:
            if found := re.fullmatch(pattern, path):
                return handle(self, body, **found.groupdict())
        self._json({"error": f"no such endpoint: {path}"}, 404)
        return None

    def _json(self, content: Any, status: int = 200, **headers: str) -> None:
        self._send(json.dumps(content).encode(), status, **{"Content-Type": "application/json", **headers})

    def _send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _repository(self, name: str) -> Repository | None:
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and not self._may()):
            self._json({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
            return None
        return repository

    def _may(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _refused(self) -> bool:
        if not self._may():
            self._json({"error": "Invalid username or password."}, 401)
        return not self._may()

    def create(self, body: bytes) -> None:
        if self._refused():
            return
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
        if name in self.server.repositories:
            self._json({"error": "You already created this model repo", "url": f"{self.server.address}/{name}"}, 409)
            return
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.server.repositories[name] = Repository(private)
        self.server.commit(name, {".gitattributes": b"*.onnx filter=lfs\n"})
        self._json({"url": f"{self.server.address}/{name}", "name": name, "id": "1"})

    def validate(self, body: bytes) -> None:
        self._json({"errors": [], "warnings": []})

    def info(self, body: bytes, name: str, revision: str = "main") -> None:
        if (repository := self._repository(name)) is None:
            return
        if (commit := repository.resolve(revision)) is None:
            self._json({"error": "Invalid rev id"}, 404, X_Error_Code="RevisionNotFound")
            return
        files = repository.commits[commit]
        siblings = [
            {"rfilename": path, "size": self.server.told.get(path, len(data)), "blobId": "0" * 40}
            for path, data in files.items()
        ]
        self._json({"id": name, "modelId": name, "sha": commit, "private": repository.private, "siblings": siblings})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self._refused():
            return
        files = json.loads(body)["files"]
        modes = {True: "lfs", False: "regular"}
        listed = [
            {"path": each["path"], "uploadMode": modes[each["path"].endswith(".onnx")], "shouldIgnore": False}
            for each in files
        ]
        self._json({"files": listed})

    def batch(self, body: bytes, name: str) -> None:
        if self._refused():
            return
        objects = []
        for each in json.loads(body)["objects"]:
            actions = {"upload": {"href": f"{self.server.address}/objects/{each['oid']}", "header": {}}}
            known = each["oid"] in self.server.objects
            objects.append({**each, **({} if known else {"actions": actions})})
        self._json({"transfer": "basic", "objects": objects})

    def put_object(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            self._json({"error": "hash mismatch"}, 422)
            return
        self.server.objects[oid] = body
        self._send(b"")

    def make_commit(self, body: bytes, name: str, revision: str) -> None:
        if self._refused() or self._repository(name) is None:
            return
        files = {}
        for line in map(json.loads, body.decode().splitlines()):
            value = line["value"]
            if line["key"] == "file":
                assert value["encoding"] == "base64"
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
        commit = self.server.commit(name, files, revision)
        url = f"{self.server.address}/{name}/commit/{commit}"
        self._json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        if (repository := self._repository(name)) is None:
            return
        commit = repository.resolve(revision)
        if commit is None or path not in repository.commits[commit]:
            self._json({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")
            return
        data = repository.commits[commit][path]
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        self._send(data, X_Repo_Commit=commit, ETag=etag)


_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_REVISION = r"(?P<revision>[^/]+)"
_ROUTES = (
    (r"/api/repos/create", _Handler.create),
    (r"/api/validate-yaml", _Handler.validate),
    (rf"/api/models/{_NAME}/preupload/{_REVISION}", _Handler.preupload),
    (rf"/api/models/{_NAME}/commit/{_REVISION}", _Handler.make_commit),
    (rf"/api/models/{_NAME}/revision/{_REVISION}", _Handler.info),
    (rf"/api/models/{_NAME}", _Handler.info),
    (rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (r"/objects/(?P<oid>[0-9a-f]{64})", _Handler.put_object),
    (rf"/{_NAME}/resolve/{_REVISION}/(?P<path>.+)", _Handler.resolve),
)
