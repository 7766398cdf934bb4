"""The namespaces that may use a cluster connection, and the tenant of each."""

from collections.abc import Mapping

from netbird_streaming.api.types import Access, ClusterConnectionSpec, LabelSelector, LabelSelectorRequirement


def needs_labels(spec: ClusterConnectionSpec) -> bool:
    """Return whether the labels of a namespace are needed for the decision."""
    return any(entry.namespace_selector is not None for entry in spec.access)


def access_of(spec: ClusterConnectionSpec, namespace: str, labels: Mapping[str, str]) -> Access | None:
    """The first entry that matches the namespace; None where none does, which denies."""
    return next((entry for entry in spec.access if _matches(entry, namespace, labels)), None)


def _matches(entry: Access, namespace: str, labels: Mapping[str, str]) -> bool:
    if namespace in entry.namespaces:
        return True
    return entry.namespace_selector is not None and selects(entry.namespace_selector, labels)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Kubernetes' own rule: all of both parts must hold; an empty selector selects everything."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _satisfies(requirement, labels) for requirement in selector.match_expressions
    )


def _satisfies(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
