"""Address of the API server, and the credentials of the operator."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config
from kubernetes.aio.config.incluster_config import (
    SERVICE_CERT_FILENAME,
    SERVICE_HOST_ENV_NAME,
    SERVICE_TOKEN_FILENAME,
    InClusterConfigLoader,
)

from netbird_streaming.errors import WaitError
from netbird_streaming.proxies import Proxy, proxy_for
from netbird_streaming.reasons import Reason

_TOKEN_AGE: Final = 60.0
# The package has no types of its own for these.
_load_kube_config: Callable[..., Awaitable[object]] = load_kube_config
_in_cluster: Callable[..., Any] = InClusterConfigLoader

logger = logging.getLogger(__name__)


async def load_configuration(
    environment: Mapping[str, str], clock: Callable[[], float], context: str | None = None
) -> Configuration:
    """Find the API server as client-go does: `KUBECONFIG`, else the ServiceAccount of the pod, else `~/.kube/config`.

    The package reads the token of a ServiceAccount again each minute. `_Reload` does so for a kubeconfig.

    Args:
        environment: The process's environment.
        clock: A monotonic clock, in seconds.
        context: A context of the kubeconfig, instead of its current one and of the pod's ServiceAccount.

    Raises:
        WaitError: There is no configuration, or it can't be read.
    """
    configuration = Configuration()
    in_cluster = is_in_cluster(environment, context)
    files = environment.get("KUBECONFIG") or f"{environment.get('HOME', '~')}/.kube/config"
    try:
        if in_cluster:
            loader = _in_cluster(SERVICE_TOKEN_FILENAME, SERVICE_CERT_FILENAME, environ=environment)
            loader.load_and_set(configuration)
        else:
            loaded = {"config_file": files, "context": context, "persist_config": False}
            await _load_kube_config(**loaded, client_configuration=configuration)
            cast("Any", configuration).refresh_api_key_hook = _Reload(loaded, clock)
    except Exception as error:  # noqa: BLE001 - a parser's text quotes what it can't read, tokens included
        source = "the pod's ServiceAccount" if in_cluster else f"the kubeconfig {files}"
        message = (
            f"{source}: can't be used to reach Kubernetes ({type(error).__name__}): correct it, or set KUBECONFIG."
        )
    else:
        proxy = _proxy(configuration, environment)
        if proxy is not None and proxy.fault is not None:
            raise WaitError(Reason.KUBERNETES_REFUSED, f"The Kubernetes API server can't be reached: {proxy.fault}.")
        configuration.proxy = None if proxy is None else proxy.url
        # aiohttp would look for proxies and ~/.netrc at each request, in a thread: half of the cost of a request.
        configuration.client_session_kwargs = {"trust_env": False}
        return configuration
    raise WaitError(Reason.KUBERNETES_REFUSED, message)


def is_in_cluster(environment: Mapping[str, str], context: str | None = None) -> bool:
    """Return whether the pod's ServiceAccount is used, and no kubeconfig."""
    return not environment.get("KUBECONFIG") and context is None and bool(environment.get(SERVICE_HOST_ENV_NAME))


def _proxy(configuration: Configuration, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that the kubeconfig names, or else the environment."""
    if configuration.proxy:
        return Proxy("proxy-url of the kubeconfig", configuration.proxy)
    return proxy_for(configuration.host, environment)


class _Reload:
    """Hook that reads the token of a kubeconfig again each minute, from its `tokenFile` or its credential plugin."""

    def __init__(self, loaded: Mapping[str, Any], clock: Callable[[], float]) -> None:
        self._loaded = loaded
        self._clock = clock
        self._due = clock() + _TOKEN_AGE
        self._lock = asyncio.Lock()

    # Not `async`: the package awaits a result that is a coroutine, and most calls have nothing to do.
    def __call__(self, configuration: Configuration) -> object:
        return self._load(configuration) if self._clock() >= self._due else None

    async def _load(self, configuration: Configuration) -> None:
        async with self._lock:
            if self._clock() < self._due:
                return
            self._due = self._clock() + _TOKEN_AGE
            fresh = Configuration()
            try:
                await _load_kube_config(**self._loaded, client_configuration=fresh)
            except Exception as error:  # noqa: BLE001 - plugins and files fail in any way; the old token may still work
                logger.warning("can't read the kubeconfig again (%s); the old token is used", type(error).__name__)
                return
            configuration.api_key.update(fresh.api_key)
