"""Places where a secret could leak, with their contents, for the search of `tests.harness.leaks`."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tests.harness.end_to_end import Objects

_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_LARGEST: Final = 64 * 2**20
_GROUPS_OF_REVIEWS: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


def process_sinks(pid: int, temporary: Path) -> dict[str, bytes]:
    """Yield what other users of the machine see of a process and its children, and the files that it uses.

    Args:
        pid: The process. Ended children have nothing to show.
        temporary: Its folder for temporary files, including left ones.
    """
    places: dict[str, bytes] = {}
    for each in _family(pid):
        folder = Path(f"/proc/{each}")
        for name in ("cmdline", "environ", "comm"):
            with suppress(OSError):
                places[f"{name} of process {each}"] = (folder / name).read_bytes()
        places |= _open_files(folder)
    for path in temporary.rglob("*"):
        if path.is_file():
            places[f"file {path.name}"] = path.read_bytes()
        places[f"name of {path}"] = str(path).encode()
    return places


def _family(pid: int) -> Iterator[int]:
    yield pid
    children = ""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += (thread / "children").read_text()
    for child in children.split():
        yield from _family(int(child))


def _open_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Deleted ones too, because the kernel still has their contents."""
    with suppress(OSError):
        for link in (folder / "fd").iterdir():
            with suppress(OSError):
                target = link.readlink()
                # A log is searched separately, and a library's program text can't leak.
                if link.is_file() and link.stat().st_size <= _LARGEST:
                    yield f"open file {target}", link.read_bytes()


def objects_sink(objects: Iterable[Mapping[str, Any]], *, own_words: bool = True) -> str:
    """Yield every field of objects, including those that the API server manages, but no values of Secrets.

    Args:
        objects: As the API server returns them.
        own_words: Include what users wrote: a spec, and `kubectl apply`'s copy of it.
    """
    return json.dumps([_stripped(each, own_words=own_words) for each in objects])


def _stripped(found: Mapping[str, Any], *, own_words: bool) -> dict[str, Any]:
    hidden = {"data", "stringData"} if found.get("kind") == "Secret" else set()
    if not own_words:
        hidden |= {"spec"}
    kept = {name: value for name, value in found.items() if name not in hidden}
    if hidden:
        metadata = found.get("metadata", {})
        annotations = {name: text for name, text in metadata.get("annotations", {}).items() if name != _APPLIED}
        kept["metadata"] = {**metadata, "annotations": annotations}
    return kept


def all_objects(reader: Objects) -> Iterator[dict[str, Any]]:
    """Yield every object of every kind of the API server, each with its kind."""
    for base in _groups(reader):
        for resource in (reader.read(base) or {}).get("resources", ()):
            if "list" not in resource["verbs"] or "/" in resource["name"]:
                continue
            for each in (reader.read(f"{base}/{resource['name']}") or {}).get("items", ()):
                yield {"kind": resource["kind"], **each}


def _groups(reader: Objects) -> Iterator[str]:
    yield "/api/v1"
    for group in (reader.read("/apis") or {}).get("groups", ()):
        if group["name"] not in _GROUPS_OF_REVIEWS:
            yield f"/apis/{group['preferredVersion']['groupVersion']}"


def audit_sink(log: Path, user: str, position: int = 0) -> bytes:
    """Yield the content of the audit log for a user's requests: URLs, and recorded bodies.

    Args:
        log: The audit log.
        user: The user's name, or the prefix of several users.
        position: The start in the log.
    """
    with log.open("rb") as lines:
        lines.seek(position)
        return b"".join(line for line in lines if _user(line).startswith(user))


def _user(line: bytes) -> str:
    with suppress(ValueError):
        entry: dict[str, Any] = json.loads(line)
        return str(entry.get("user", {}).get("username", ""))
    return ""
