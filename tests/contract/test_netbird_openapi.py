"""The simulated NetBird API against its OpenAPI description over real HTTP, by generated requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.doubles.netbird.process import RunningNetBird, running_netbird
from tests.doubles.netbird.records import Draft
from tests.doubles.netbird.tenancy import Account, Token

DESCRIPTION: Final = Path(__file__).parents[1] / "doubles" / "netbird" / "openapi.yaml"
TOKEN: Final = Token("robot", "nbp_contract", "acc-1", tenants=frozenset({"acc-2"}))
HEADERS: Final = {"Authorization": TOKEN.authorization}
DATADOG: Final = {"api_url": "https://http-intake.logs.datadoghq.eu/api/v2/logs", "api_key": "dd-key"}
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    positive_data_acceptance,
    ignored_auth,
]
AS_THE_REFERENCE_SHOWS: Final[dict[str, object]] = {"path_family": "integrations"}
THE_OTHER_WAY_ROUND: Final[dict[str, object]] = {
    "path_family": "plain",
    "thin_get": False,
    "null_when_empty": False,
    "update_form": "replace",
    "put_answers_before": False,
    "post_ignores_enabled": False,
    "time_form": "utc",
    "fraction_digits": 9,
    "mask_headers": "values",
    "normalise_urls": True,
    "unknown_path": "html",
    "date_header": False,
}
# Generating costs more than serving. Operations without a body or a choice need few examples.
FEW: Final = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))

Case = schemathesis.Case[Any]

schema = schemathesis.openapi.from_path(str(DESCRIPTION))
reference_schema = schema.include(path_regex="^/api/(integrations/|accounts)")
plain_schema = schema.include(path_regex="^/api/(event-streaming|accounts)")
items_schema = schema.include(path_regex="^/api/integrations/.*{id}$")
plain_items_schema = schema.include(path_regex="^/api/event-streaming/{id}$")


def serving(habits: dict[str, object]) -> Iterator[RunningNetBird]:
    with running_netbird() as running:
        running.control.add_account(Account("acc-1"))
        running.control.add_account(Account("acc-2"))
        running.control.add_token(TOKEN)
        running.control.change_behaviour(burst=1_000_000, **habits)
        yield running


@pytest.fixture(scope="module")
def netbird() -> Iterator[RunningNetBird]:
    yield from serving(AS_THE_REFERENCE_SHOWS)


@pytest.fixture(scope="module")
def other_netbird() -> Iterator[RunningNetBird]:
    yield from serving(THE_OTHER_WAY_ROUND)


def on_a_new_one(netbird: RunningNetBird, case: Case) -> None:
    """Point a generated case to an existing integration, because a guessed id never finds one."""
    (case.path_parameters["id"],) = netbird.control.create("acc-1", [Draft("datadog", DATADOG)])
    case.query.pop("account", None)
    # Whether a well-formed change is accepted depends on the stored state, which no description can express.
    checks = [check for check in CHECKS if check is not positive_data_acceptance]
    case.call_and_validate(base_url=netbird.url, headers=HEADERS, checks=checks)


@reference_schema.parametrize()
@FEW
def test_every_response_is_described(netbird: RunningNetBird, case: Case) -> None:
    case.call_and_validate(base_url=netbird.url, headers=HEADERS, checks=CHECKS)


@plain_schema.parametrize()
@FEW
def test_every_response_of_other_behaviours_is_described(other_netbird: RunningNetBird, case: Case) -> None:
    case.call_and_validate(base_url=other_netbird.url, headers=HEADERS, checks=CHECKS)


@items_schema.parametrize()
@FEW
def test_every_response_about_an_existing_integration_is_described(netbird: RunningNetBird, case: Case) -> None:
    on_a_new_one(netbird, case)


@plain_items_schema.parametrize()
@FEW
def test_every_response_of_other_behaviours_about_an_existing_integration_is_described(
    other_netbird: RunningNetBird, case: Case
) -> None:
    on_a_new_one(other_netbird, case)
