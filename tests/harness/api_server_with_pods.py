"""A double API server with pods, whose logs and ports it serves as Kubernetes does.

The control plane of the tests has no nodes, so a real API server has no log to show and reaches no port of a pod. The
statuses and reasons are those of kube-apiserver for `pods/log` and `pods/proxy`.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

LOOPBACK: Final = "127.0.0.1"
_POD: Final = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods/(?P<pod>[^/:]+)(:(?P<port>\d+))?/(?P<rest>.+)")
_PODS: Final = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods")


@dataclass(frozen=True, slots=True)
class Pod:
    """Pod with the logs of its started containers, and the pages of its ports by `PORT/PATH`.

    A container with a log and without `is_running` has crashed and waits for its next start.
    """

    name: str
    labels: Mapping[str, str]
    containers: tuple[str, ...]
    logs: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    is_running: bool = True


@dataclass(slots=True)
class ApiServer:
    """The server: its URL, the pods of one namespace, other objects by path, and each request that it received."""

    url: str
    namespace: str
    pods: tuple[Pod, ...]
    objects: Mapping[str, Any]
    requests: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, target: str) -> tuple[int, str, str]:
        """Return the status, the content type and the body of an answer."""
        self.requests.append((method, target))
        url = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if method != "GET":
            return _status(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        if url.path in self.objects:
            return 200, "application/json", json.dumps(self.objects[url.path])
        if _PODS.fullmatch(url.path):
            return self._list(url.path, query)
        found = _POD.fullmatch(url.path)
        pod = next((each for each in self.pods if found and each.name == found["pod"]), None)
        if found is None or pod is None or found["namespace"] != self.namespace:
            return _status(404, "NotFound", "the server could not find the requested resource")
        if found["rest"] == "log":
            return _log(pod, query)
        return _proxy(pod, found["port"] or "80", found["rest"].removeprefix("proxy/"))

    def _list(self, path: str, query: Mapping[str, str]) -> tuple[int, str, str]:
        wanted = dict(each.split("=") for each in query.get("labelSelector", "").split(",") if each)
        pods = self.pods if path.split("/")[4] == self.namespace else ()
        items = [_manifest(each) for each in pods if wanted.items() <= each.labels.items()]
        return 200, "application/json", json.dumps({"kind": "PodList", "metadata": {}, "items": items})


def _manifest(pod: Pod) -> dict[str, Any]:
    return {
        "metadata": {"name": pod.name, "labels": dict(pod.labels)},
        "spec": {"containers": [{"name": each} for each in pod.containers]},
        "status": {
            "phase": "Running" if pod.logs else "Pending",
            "containerStatuses": [_container_status(pod, each) for each in pod.containers],
        },
    }


def _container_status(pod: Pod, name: str) -> dict[str, Any]:
    if name not in pod.logs:
        return {"name": name, "state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}}
    if pod.is_running:
        return {"name": name, "state": {"running": {"startedAt": "2026-05-01T12:00:00Z"}}, "lastState": {}}
    return {
        "name": name,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
    }


def _log(pod: Pod, query: Mapping[str, str]) -> tuple[int, str, str]:
    container = query.get("container")
    if container is None and len(pod.containers) > 1:
        names = " ".join(pod.containers)
        message = f"a container name must be specified for pod {pod.name}, choose one of: [{names}]"
        return _status(400, "BadRequest", message)
    container = container or pod.containers[0]
    if container not in pod.containers:
        return _status(400, "BadRequest", f"container {container} is not valid for pod {pod.name}")
    if container not in pod.logs:
        message = f'container "{container}" in pod "{pod.name}" is waiting to start: ContainerCreating'
        return _status(400, "BadRequest", message)
    lines = pod.logs[container].splitlines(keepends=True)
    return 200, "text/plain", "".join(lines[-int(query.get("tailLines", len(lines))) :])


def _proxy(pod: Pod, port: str, path: str) -> tuple[int, str, str]:
    if not any(each.startswith(f"{port}/") for each in pod.pages):
        return _status(503, "ServiceUnavailable", "error trying to reach service: connect: connection refused")
    page = pod.pages.get(f"{port}/{path}")
    return (404, "text/plain", "404: Not Found") if page is None else (200, "text/plain; version=0.0.4", page)


def _status(code: int, reason: str, message: str) -> tuple[int, str, str]:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return code, "application/json", json.dumps({**body, "code": code})


@contextmanager
def api_server_with_pods(namespace: str, pods: tuple[Pod, ...], objects: Mapping[str, Any]) -> Iterator[ApiServer]:
    """Serve pods until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._serve()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

        def _serve(self) -> None:
            status, content_type, text = server.answer(self.command, self.path)
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as listener:
        server = ApiServer(f"http://{LOOPBACK}:{listener.server_port}", namespace, pods, objects)
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
