"""The token and the CA bundle of a connection."""

from typing import Final

from netbird_streaming.api.types import (
    Connection,
    KeyReference,
)
from netbird_streaming.core.netbird.endpoints import (
    policy_fault,
    url_fault,
)
from netbird_streaming.core.values import token_fault
from netbird_streaming.errors import EditError, WaitError
from netbird_streaming.reasons import Reason
from netbird_streaming.reconciler.ports import Cluster, ControllerSettings

MAX_BUNDLE: Final = 256 * 1024
"""Characters: more than all public authorities together have. A parsed certificate takes ten times its size."""


class CredentialReader:
    """Reads what connections refer to. A cluster connection's Secret is in the operator's namespace."""

    def __init__(self, cluster: Cluster, settings: ControllerSettings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._operator_namespace = settings.operator_namespace

    def secret_namespace(self, connection: Connection) -> str:
        """Return the namespace of the Secret and the ConfigMap of a connection."""
        return connection.metadata.namespace or self._operator_namespace

    async def bundle(self, connection: Connection) -> str | None:
        """Read the CA bundle of a connection. Return None if it names none or there is none."""
        ref = connection.spec.ca_bundle_config_map_ref
        data = None if ref is None else await self._cluster.config_map(self.secret_namespace(connection), ref.name)
        return None if ref is None or data is None else data.get(ref.key)

    async def read(self, connection: Connection) -> tuple[str, str | None]:
        """Return the token and the CA bundle of a connection.

        Raises:
            EditError: The spec is not allowed.
            WaitError: A Secret or ConfigMap is missing or unusable.
        """
        spec, where = connection.spec, f"{type(connection).__name__} {connection.metadata.name}"
        fault = policy_fault(
            connection,
            allowed_urls=self._settings.allowed_urls,
            namespaced=self._settings.namespaced_connections,
        ) or url_fault(spec.url, allow_http=self._settings.allow_http)
        if fault is not None:
            raise EditError(Reason.CONNECTION_INVALID, f"{where}: {fault}")
        token = await self._token(spec.token_secret_ref, self.secret_namespace(connection), where)
        ref = spec.ca_bundle_config_map_ref
        if ref is None:
            return token, None
        bundle = await self.bundle(connection) or ""
        if len(bundle) > MAX_BUNDLE:
            message = (
                f"{where}: ConfigMap {ref.name}, key {ref.key} has more than {MAX_BUNDLE // 1024} KiB; leave only the "
                "certificates in it that verify NetBird"
            )
            raise WaitError(Reason.CA_BUNDLE_INVALID, message)
        if "-----BEGIN CERTIFICATE-----" not in bundle:
            message = f"{where}: ConfigMap {ref.name}, key {ref.key} holds no PEM certificate; put the CA's into it"
            raise WaitError(Reason.CA_BUNDLE_INVALID, message)
        return token, bundle

    async def _token(self, ref: KeyReference, namespace: str, where: str) -> str:
        data = await self._cluster.secret(namespace, ref.name)
        if data is None:
            message = f"{where}: Secret {ref.name} does not exist in namespace {namespace}; create it"
            raise WaitError(Reason.SECRET_NOT_FOUND, message)
        if ref.key not in data:
            message = f"{where}: Secret {ref.name} has no key {ref.key}; add it, or correct the reference"
            raise WaitError(Reason.SECRET_KEY_NOT_FOUND, message)
        fault = token_fault(data[ref.key])
        if fault is not None:
            message = f"{where}: Secret {ref.name}, key {ref.key}: the value {fault}"
            raise WaitError(Reason.SECRET_VALUE_INVALID, message)
        return data[ref.key].decode()
