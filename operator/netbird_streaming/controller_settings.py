"""The reconciler's part of the settings."""

from netbird_streaming.config.settings import Settings
from netbird_streaming.core.status.documentation import Documentation
from netbird_streaming.reconciler.ports import ControllerSettings


def controller_settings(settings: Settings, namespace: str) -> ControllerSettings:
    """Return what the reconciler needs of the settings; `namespace` is the operator's own."""
    return ControllerSettings(
        operator_namespace=namespace,
        installation=f"{namespace}/{settings.lease_name}",
        documentation=Documentation(settings.docs_url),
        has_lease=settings.lease,
        request_timeout=settings.request_timeout,
        late_commit_window=settings.late_commit_window,
        absence_window=settings.absence_window,
        workers=settings.workers,
        relist_interval=settings.relist_interval,
        shutdown_grace=settings.shutdown_grace,
        allow_http=settings.allow_http,
        allowed_urls=settings.allowed_urls,
        namespaced_connections=settings.namespaced_connections,
        connections_per_namespace=settings.connections_per_namespace,
        token_expiry=settings.token_expiry,
    )
