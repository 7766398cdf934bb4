"""The behaviour of a NetBird server where servers differ: every variant that a client has to handle, as a setting."""

from dataclasses import dataclass
from enum import StrEnum


class PathFamily(StrEnum):
    """The paths of the event-streaming operations."""

    INTEGRATIONS = "integrations"
    PLAIN = "plain"
    BOTH = "both"

    def offers(self, other: "PathFamily") -> bool:
        """Return whether a server of this family serves a request by the path of `other`."""
        return self is PathFamily.BOTH or self is other


class UpdateForm(StrEnum):
    """The effect of a PUT on the configuration. The description of the API allows both."""

    MERGE = "merge"
    REPLACE = "replace"

    @property
    def keeps_old_keys(self) -> bool:
        """Return whether keys that a PUT does not name stay as they were."""
        return self is UpdateForm.MERGE


class HeaderMask(StrEnum):
    """The masking of generic HTTP's `headers`, which can hold credentials."""

    WHOLE = "whole"
    VALUES = "values"
    NONE = "none"


class TimeForm(StrEnum):
    """The format of timestamps. The vendor's examples use UTC after writes and an offset in lists (`MIXED`)."""

    UTC = "utc"
    OFFSET = "offset"
    MIXED = "mixed"


class StrangerTenant(StrEnum):
    """The effect of `?account=` without a right to that account.

    The vendor's published middleware ignores the parameter and acts in the token's own account (`HOME`). A gateway may
    refuse.
    """

    HOME = "home"
    REFUSE = "refuse"


class Form(StrEnum):
    """The normalized form of a value in a list, if it differs from the sent form.

    The last one cannot be related to the sent value by any client.
    """

    AS_SENT = "as-sent"
    STRIPPED = "stripped"
    ENCODED = "encoded"
    ADDED_HEADER = "added-header"
    MASKED_PATH = "masked-path"
    UNRELATED = "unrelated"


class UnknownPath(StrEnum):
    """The response for an unknown path: a plain 404, or a dashboard's page."""

    PLAIN = "plain"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The behaviour of one NetBird server. The defaults are the hardest of what public sources allow.

    `requests_per_minute` and `burst` are each token's budget. `retry_after` is in seconds (None: no header, as NetBird
    Cloud does). `latency` delays every response by so many seconds, and `clock_skew` shifts the server's clock: both
    are only for the owner of a clock, because the model is passed its time. `list_lag` is for how many seconds a list
    does not show a change that all other responses show, as of a read replica. `fraction_digits` is 6 or 9.
    `rejected_secrets` are values that the destination refuses, with `rejection_status` (412 or 422). A test event to
    one of `hanging_hosts` gets no response, which NetBird reports after `hang_seconds`. `echo_rejected` quotes the
    value in that refusal, as a careless server would. `added_config` and `added_fields` are keys that the server adds.

    No public source excludes the rest. `blank` hides every integration from lists and from requests by id. `get_lag`
    lets GET by id lag as lists do. `reuse_ids` assigns an id again once no live integration has a higher one.
    `immutable` names keys that a PUT accepts and does not change. `stamps` moves `updated_at` at every list, and
    `unstamped` leaves it if a write changes secrets alone. `form` is the normalized form of values, `list_limit` the
    maximum length of a list, `strange_items` whether lists also show integrations of an unknown shape, `database_skew`
    by how many seconds the clock of `created_at` and `updated_at` differs from that of `Date`, `users` whether there
    are paths for users and their tokens.
    """

    path_family: PathFamily = PathFamily.INTEGRATIONS
    unknown_path: UnknownPath = UnknownPath.PLAIN
    licensed: bool = True
    post_ignores_enabled: bool = True
    update_form: UpdateForm = UpdateForm.MERGE
    put_answers_before: bool = True
    thin_get: bool = True
    null_when_empty: bool = True
    mask_headers: HeaderMask = HeaderMask.WHOLE
    time_form: TimeForm = TimeForm.MIXED
    fraction_digits: int = 6
    offset_minutes: int = 60
    normalise_urls: bool = False
    one_per_platform: bool = False
    stranger_tenant: StrangerTenant = StrangerTenant.HOME
    date_header: bool = True
    rejected_secrets: frozenset[str] = frozenset()
    rejection_status: int = 412
    hanging_hosts: frozenset[str] = frozenset()
    hang_seconds: float = 25.0
    echo_rejected: bool = True
    added_config: tuple[tuple[str, str], ...] = ()
    added_fields: tuple[tuple[str, str], ...] = ()
    requests_per_minute: float = 120.0
    burst: int = 1200
    retry_after: int | None = None
    latency: float = 0.0
    clock_skew: float = 0.0
    list_lag: float = 0.0
    blank: bool = False
    get_lag: bool = False
    reuse_ids: bool = False
    immutable: tuple[str, ...] = ()
    stamps: bool = False
    unstamped: bool = False
    form: Form = Form.AS_SENT
    list_limit: int | None = None
    strange_items: bool = False
    database_skew: float = 0.0
    users: bool = True

    def __post_init__(self) -> None:
        """Refuse impossible settings.

        Raises:
            ValueError: a number is outside of the field's range.
        """
        if self.fraction_digits not in {6, 9}:
            message = "fraction_digits is 6 or 9"
            raise ValueError(message)
        if self.rejection_status not in {412, 422}:
            message = "rejection_status is 412 or 422"
            raise ValueError(message)
        if min(self.requests_per_minute, self.latency, self.list_lag, self.hang_seconds) < 0 or self.burst < 1:
            message = "requests_per_minute, latency, list_lag and hang_seconds are not negative, burst is at least 1"
            raise ValueError(message)
