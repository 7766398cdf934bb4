"""The installation's fingerprint key: 32 random bytes in a Secret of the operator's namespace."""

import base64
from collections.abc import Callable
from typing import Final

from netbird_streaming.cluster.client import FIELD_MANAGER, Json, KubernetesClient, Request
from netbird_streaming.cluster.errors import DeniedError
from netbird_streaming.cluster.labels import OWN_LABELS
from netbird_streaming.core.netbird.fingerprint import KEY_BYTES
from netbird_streaming.errors import ConflictError, ObjectGoneError, WaitError
from netbird_streaming.reasons import Reason

_ENTRY: Final = "key"


def _missing(subject: str, namespace: str, name: str) -> str:
    remedy = f"kubectl create secret generic {name} --namespace={namespace}"
    return f"{subject}: does not exist, and the operator has no permission to create it; create it empty: {remedy}"


async def fingerprint_key(client: KubernetesClient, namespace: str, name: str, random: Callable[[int], bytes]) -> bytes:
    """Return the key's 32 bytes.

    The chart creates the Secret without data, and the first process to start adds the key. Without the chart the
    process creates the Secret, where it has that right. A key is never replaced: all fingerprints in all statuses were
    made with it, and without it each resource would be sent to NetBird once more.

    Args:
        client: The connection.
        namespace: The operator's namespace.
        name: The Secret's name.
        random: Gives that many random bytes, fit for a key.

    Raises:
        WaitError: The Secret has data and no such key, or it does not exist and can't be created.
        OperatorError: The API server refuses, or can't be reached.
    """
    subject = f"Secret {namespace}/{name}"
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for _attempt in range(2):
        try:
            found = await client.call(Request(subject, f"{path}/{name}"))
            if found.get("data") or found.get("immutable"):
                return _key(found, subject)
            change = {"metadata": {"resourceVersion": _version(found)}, **_content(random(KEY_BYTES))}
            request = Request(subject, f"{path}/{name}", "PATCH", {"fieldManager": FIELD_MANAGER}, change)
        except ObjectGoneError:
            body = _secret(name, random(KEY_BYTES))
            request = Request(subject, path, "POST", {"fieldManager": FIELD_MANAGER}, body)
        try:
            return _key(await client.call(request), subject)
        except DeniedError as denied:
            if request.method == "PATCH":
                raise
            raise WaitError(denied.reason, _missing(subject, namespace, name)) from None
        except (ConflictError, ObjectGoneError):
            continue
    raise ConflictError(
        Reason.PROGRESSING, f"{subject}: was created and deleted while it was read; the operator retries."
    )


async def read_fingerprint_key(client: KubernetesClient, namespace: str, name: str) -> bytes | None:
    """Return the key's bytes, or None if no process has made it yet.

    Raises:
        WaitError: The Secret has data and no such key.
        OperatorError: The API server refuses, or can't be reached.
    """
    subject = f"Secret {namespace}/{name}"
    try:
        found = await client.call(Request(subject, f"/api/v1/namespaces/{namespace}/secrets/{name}"))
    except ObjectGoneError:
        return None
    return _key(found, subject) if found.get("data") else None


def _secret(name: str, key: bytes) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": dict(OWN_LABELS)},
        "type": "Opaque",
        **_content(key),
    }


def _content(key: bytes) -> Json:
    return {"immutable": True, "data": {_ENTRY: base64.b64encode(key).decode()}}


def _version(found: Json) -> str:
    metadata = found.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""


def _key(raw: Json, subject: str) -> bytes:
    try:
        key = base64.b64decode((raw.get("data") or {}).get(_ENTRY) or "", validate=True)
    except (ValueError, TypeError, AttributeError):
        key = b""
    if len(key) != KEY_BYTES:
        remedy = "restore it from a backup, or delete it to have each integration sent to NetBird once more"
        raise WaitError(
            Reason.SECRET_VALUE_INVALID,
            f"{subject}: data.{_ENTRY} must be {KEY_BYTES} bytes (base64), and is not: {remedy}.",
        )
    return key
