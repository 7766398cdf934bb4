"""Default of the operator's own namespace."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from kubernetes.aio.config import list_kube_config_contexts

from netbird_streaming.cluster.configuration import is_in_cluster
from netbird_streaming.errors import WaitError
from netbird_streaming.reasons import Reason

POD_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
FALLBACK: Final = "default"
# The package has no types of its own for this: the list of contexts, and the current one.
_contexts: Callable[..., tuple[list[dict[str, Any]], dict[str, Any]]] = list_kube_config_contexts


def own_namespace(environment: Mapping[str, str], pod_file: Path = POD_FILE, *, context: str | None = None) -> str:
    """Return the namespace of the pod, or else that of the kubeconfig's context.

    The choice between them is that of `load_configuration`.

    Args:
        environment: The process's environment.
        pod_file: The file of the pod that names its namespace.
        context: A context of the kubeconfig, instead of its current one and of the pod.

    Raises:
        WaitError: The file of the pod, or the kubeconfig, can't be read.
    """
    files = environment.get("KUBECONFIG")
    in_cluster = is_in_cluster(environment, context)
    files = files or f"{environment.get('HOME', '~')}/.kube/config"
    try:
        if in_cluster:
            return pod_file.read_text(encoding="utf-8").strip()
        contexts, current = _contexts(config_file=files)
        current = current if context is None else next(each for each in contexts if each["name"] == context)
        return str(current["context"].get("namespace") or FALLBACK)
    except Exception as error:  # noqa: BLE001 - a parser's text quotes what it can't read, tokens included
        source = str(pod_file) if in_cluster else f"the kubeconfig {files}"
        message = f"{source}: names no namespace ({type(error).__name__}): set --operator-namespace."
    raise WaitError(Reason.KUBERNETES_REFUSED, message)
