"""Objects of other users in the cluster of a reader, which no command of a page may change.

A command of a page runs in a cluster that others use too. A second team uses the same connection, and the reader's own
Secrets hold keys that other programs use. The reader compares all of this before and after each block.
"""

from base64 import b64decode, b64encode
from typing import Any, Final

import yaml

from netbird_streaming.api.types import GROUP, VERSION
from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import Objects
from tests.harness.manifests import Manifest, integration

OTHER_TEAM: Final = "team-b"
OTHER_KEY: Final = "another-program"
"""A key in the reader's Secrets that no page names."""
_VALUE: Final = "must-not-change"
_KINDS: Final = f"/apis/{GROUP}/{VERSION}"
_CONNECTION: Final = f"{_KINDS}/clusternetbirdconnections/default"
_INTEGRATION: Final = f"{_KINDS}/namespaces/{OTHER_TEAM}/eventstreamingintegrations/other"
_SECRET: Final = f"/api/v1/namespaces/{OTHER_TEAM}/secrets/other"
_CONFIG_MAP: Final = f"/api/v1/namespaces/{OTHER_TEAM}/configmaps/other"

Snapshot = dict[str, Any]


def with_other_key(secret: Manifest) -> Manifest:
    """Return the Secret with one more key, which another program of its owner uses."""
    data = {**secret.get("data", {}), OTHER_KEY: b64encode(_VALUE.encode()).decode()}
    return {**secret, "data": data}


class ForeignObjects:
    """A second team that uses the chart's connection, in its own namespace."""

    def __init__(self, plane: ControlPlane, objects: Objects) -> None:
        self._plane: Final = plane
        self._objects: Final = objects

    def create(self) -> None:
        """Create the team's namespace, its Secret, its ConfigMap and one working integration."""
        self._plane.kubectl("create", "namespace", OTHER_TEAM)
        declared = integration("datadog", "other", datadog={"site": "us5.datadoghq.com", "apiKeySecretRef": _REFERENCE})
        self._plane.kubectl(
            "apply",
            f"--namespace={OTHER_TEAM}",
            "-f",
            "-",
            input=yaml.safe_dump_all([_secret(), _config_map(), declared]),
        )
        self._plane.kubectl("wait", "--for=condition=Ready", f"--namespace={OTHER_TEAM}", "esi/other", "--timeout=20s")

    def snapshot(self) -> Snapshot:
        """Return all objects of others. Missing ones are left out."""
        connection, declared = self._objects.read(_CONNECTION), self._objects.read(_INTEGRATION)
        found: Snapshot = {"another key of team-a's Secrets": self._other_keys()}
        if connection is not None:
            entries = connection["spec"].get("access", [])
            found["access of the other team"] = any(OTHER_TEAM in each.get("namespaces", ()) for each in entries)
        if declared is not None:
            found["the other team's integration"] = (declared["spec"], declared["status"].get("id"))
        for what, path in (("Secret", _SECRET), ("ConfigMap", _CONFIG_MAP)):
            found[f"the other team's {what}"] = (self._objects.read(path) or {}).get("data")
        return found

    def _other_keys(self) -> set[str]:
        listed = self._objects.read("/api/v1/namespaces/team-a/secrets") or {"items": []}
        return {
            each["metadata"]["name"]
            for each in listed["items"]
            if b64decode(each.get("data", {}).get(OTHER_KEY, "")).decode() == _VALUE
        }


_REFERENCE: Final = {"name": "other", "key": "api-key"}


def _secret() -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}, "stringData": {"api-key": "other-key"}}


def _config_map() -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}, "data": {"key": "value"}}


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the names of objects that changed or are gone. New objects belong to the page."""
    return [what for what, value in before.items() if after.get(what) != value]
