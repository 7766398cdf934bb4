"""The oldest connections of a namespace are served, up to the limit."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.api.types import (
    ClusterConnectionSpec,
    ClusterNetBirdConnection,
    Connection,
    ConnectionSpec,
    KeyReference,
    Metadata,
    NetBirdConnection,
)
from netbird_streaming.reconciler.quota import Quota

START = datetime(2026, 5, 1, tzinfo=UTC)
TOKEN = KeyReference(name="netbird", key="token")


def connection(number: int, age: int = 0, namespace: str | None = "team-a") -> Connection:
    metadata = Metadata(
        name=f"c{number}",
        namespace=namespace,
        uid=f"uid-{number}",
        resource_version="1",
        creation_timestamp=START - timedelta(seconds=age),
    )
    if namespace is None:
        return ClusterNetBirdConnection(metadata=metadata, spec=ClusterConnectionSpec(token_secret_ref=TOKEN))
    return NetBirdConnection(metadata=metadata, spec=ConnectionSpec(token_secret_ref=TOKEN))


@given(st.lists(st.integers(0, 3), max_size=8), st.integers(1, 4), st.randoms(use_true_random=False))
def test_oldest_are_served_in_any_order_of_observation(ages: list[int], limit: int, random: object) -> None:
    every = [connection(number, age) for number, age in enumerate(ages)]
    quota = Quota(limit)
    random.shuffle(every)  # type: ignore[attr-defined]  # hypothesis gives a Random
    for each in every:
        quota.add(each)
    served = [each for each in every if quota.allows(each)]
    assert len(served) == min(limit, len(every))
    rejected = [each.metadata.creation_timestamp for each in every if each not in served]
    assert all(each.metadata.creation_timestamp <= other for each in served for other in rejected)
    for each in every:
        quota.remove(each)
    assert quota._by_age == {}


def test_next_one_is_served_once_an_older_one_is_removed() -> None:
    quota = Quota(1)
    older, newer = connection(1, age=10), connection(2)
    quota.add(newer)
    assert quota.allows(newer)
    quota.add(older)
    assert not quota.allows(newer)
    quota.remove(older)
    quota.remove(older)
    assert quota.allows(newer)


def test_other_namespaces_and_cluster_connections_do_not_count() -> None:
    quota = Quota(1)
    every = [
        connection(1),
        connection(2, namespace="team-b"),
        connection(3, namespace=None),
        connection(4, namespace=None),
    ]
    for each in every:
        quota.add(each)
    assert all(quota.allows(each) for each in every)
