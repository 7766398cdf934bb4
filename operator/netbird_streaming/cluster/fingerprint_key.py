"""The installation's fingerprint key: 32 random bytes in a Secret of the operator's namespace."""

import base64
from collections.abc import Callable
from typing import Final

from netbird_streaming.cluster.client import FIELD_MANAGER, Json, KubernetesClient, Request
from netbird_streaming.core.netbird.fingerprint import KEY_BYTES
from netbird_streaming.errors import ConflictError, ObjectGoneError, WaitError
from netbird_streaming.reasons import Reason

_ENTRY: Final = "key"


async def fingerprint_key(client: KubernetesClient, namespace: str, name: str, random: Callable[[int], bytes]) -> bytes:
    """The key's 32 bytes; the Secret is made when absent, and whoever makes it first wins.

    It is never replaced: all fingerprints in all statuses were made with it, and without it each resource would be sent
    to NetBird once more.

    Args:
        client: The connection.
        namespace: The operator's namespace.
        name: The Secret's name.
        random: Gives that many random bytes, fit for a key.

    Raises:
        WaitError: The Secret is there and holds no such key.
        OperatorError: The API server refuses, or can't be reached.
    """
    subject = f"Secret {namespace}/{name}"
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for _attempt in range(2):
        try:
            return _key(await client.call(Request(subject, f"{path}/{name}")), subject)
        except ObjectGoneError:
            body = _secret(name, random(KEY_BYTES))
        try:
            created = await client.call(Request(subject, path, "POST", {"fieldManager": FIELD_MANAGER}, body))
            return _key(created, subject)
        except ConflictError:
            continue
    raise ConflictError(Reason.PROGRESSING, f"{subject}: is made and deleted while it is read; it is tried again.")


def _secret(name: str, key: bytes) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER}},
        "type": "Opaque",
        "immutable": True,
        "data": {_ENTRY: base64.b64encode(key).decode()},
    }


def _key(raw: Json, subject: str) -> bytes:
    try:
        key = base64.b64decode((raw.get("data") or {}).get(_ENTRY) or "", validate=True)
    except (ValueError, TypeError, AttributeError):
        key = b""
    if len(key) != KEY_BYTES:
        cure = "restore it from a backup, or delete it to have each integration sent to NetBird once more"
        raise WaitError(
            Reason.SECRET_VALUE_INVALID,
            f"{subject}: data.{_ENTRY} must be {KEY_BYTES} bytes (base64), and is not: {cure}.",
        )
    return key
