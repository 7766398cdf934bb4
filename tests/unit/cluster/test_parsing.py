"""The parsing of objects of the API into models, or into an error that names fields and never values."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.types import RECONCILE_ANNOTATION, EventStreamingIntegration, ObjectKey
from netbird_streaming.cluster.parsing import object_key, parse
from netbird_streaming.errors import EditError
from netbird_streaming.reasons import Reason
from tests.unit.cluster.fakes import raw_integration

LEAK = "hunter2"


def message(raw: Any) -> str:
    with pytest.raises(EditError) as caught:
        parse(raw)
    assert caught.value.reason is Reason.RESOURCE_UNREADABLE
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert LEAK not in repr(caught.value)
    return caught.value.message


def test_resource_becomes_its_model() -> None:
    resource = parse(raw_integration())
    assert isinstance(resource, EventStreamingIntegration)
    assert resource.spec.datadog is not None
    assert resource.spec.datadog.api_key_secret_ref.name == "datadog"


def test_only_the_reconcile_annotation_is_kept_and_a_long_one_as_a_digest() -> None:
    """All annotations of a resource may have 256 KiB."""
    large = "x" * 200_000
    resource = parse(raw_integration(annotations={"a": large, RECONCILE_ANNOTATION: "now"}))
    assert resource.metadata.annotations == {RECONCILE_ANNOTATION: "now"}
    resource = parse(raw_integration(annotations={RECONCILE_ANNOTATION: large}))
    assert resource.metadata.annotations == {RECONCILE_ANNOTATION: hashlib.sha256(large.encode()).hexdigest()}
    assert parse(raw_integration(annotations={"a": large})).metadata.annotations == {}


def test_message_names_the_fields() -> None:
    raw = raw_integration()
    raw["spec"] = {"platform": LEAK, "datadog": {"apiKeySecretRef": {"name": [LEAK], "key": "k"}}}
    assert message(raw).startswith("spec.platform, spec.datadog.apiKeySecretRef.name: can't be read;")


def test_key_of_a_map_is_the_users_text_and_not_named() -> None:
    assert message(raw_integration(annotations={LEAK: {LEAK: LEAK}})).startswith(
        "metadata.annotations.*: can't be read;"
    )


def test_many_fields_are_counted() -> None:
    raw = raw_integration()
    raw["spec"] = {"platform": "datadog", "genericHTTP": {"headers": [LEAK] * 7}}
    assert message(raw).startswith("spec.genericHTTP.headers.0, spec.genericHTTP.headers.1,")
    assert " and 2 more: can't be read;" in message(raw)


def test_other_kind_is_refused() -> None:
    assert message({"kind": LEAK}).startswith("kind: must be one of EventStreamingIntegration,")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(LEAK),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "key", LEAK]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(["metadata", "spec", "status"]), JSON)
def test_no_message_quotes_an_invalid_part(part: str, content: Any) -> None:
    raw = {**raw_integration(), part: content}
    said = ""
    try:
        parse(raw)
    except EditError as error:
        said = repr(error)
    assert LEAK not in said
    assert object_key(raw).kind == "EventStreamingIntegration"


def test_unparsable_object_is_identified() -> None:
    assert object_key(raw_integration()) == ObjectKey("EventStreamingIntegration", "team-a", "audit")
    assert object_key({"metadata": [LEAK]}) == ObjectKey("", None, "")
