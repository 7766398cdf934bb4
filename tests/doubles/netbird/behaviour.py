"""How a NetBird server behaves where servers differ: every quirk that a client has to live with, as a setting."""

from dataclasses import dataclass
from enum import StrEnum


class PathFamily(StrEnum):
    """Under which paths the event-streaming operations are offered."""

    INTEGRATIONS = "integrations"
    PLAIN = "plain"
    BOTH = "both"

    def offers(self, other: "PathFamily") -> bool:
        """Tell whether a server of this family answers a request that came by `other`."""
        return self is PathFamily.BOTH or self is other


class UpdateForm(StrEnum):
    """What a PUT does to the configuration: the description of the API allows both."""

    MERGE = "merge"
    REPLACE = "replace"

    @property
    def keeps_old_keys(self) -> bool:
        """Tell whether keys that a PUT does not name stay as they were."""
        return self is UpdateForm.MERGE


class HeaderMask(StrEnum):
    """How much of generic HTTP's `headers`, which can hold credentials, an answer hides."""

    WHOLE = "whole"
    VALUES = "values"
    NONE = "none"


class TimeForm(StrEnum):
    """How timestamps are written; the vendor's examples use UTC after writes and an offset in lists (`MIXED`)."""

    UTC = "utc"
    OFFSET = "offset"
    MIXED = "mixed"


class StrangerTenant(StrEnum):
    """What `?account=` does when the token has no right to that account.

    The vendor's published middleware leaves the parameter unheeded and acts in the token's own account (`HOME`); a
    gateway may refuse.
    """

    HOME = "home"
    REFUSE = "refuse"


class Form(StrEnum):
    """In which form a list shows a value that was sent, where it is not the form that was sent.

    The last form is one that no client can relate to what it sent.
    """

    AS_SENT = "as-sent"
    STRIPPED = "stripped"
    ENCODED = "encoded"
    ADDED_HEADER = "added-header"
    MASKED_PATH = "masked-path"
    UNRELATED = "unrelated"


class UnknownPath(StrEnum):
    """What a path that does not exist answers: a plain 404, or a dashboard's page."""

    PLAIN = "plain"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One NetBird server's habits; the defaults are the hardest of what public sources allow.

    `requests_per_minute` and `burst` are each token's budget; `retry_after` is in seconds (None: no header, as NetBird
    Cloud does). `latency` delays every answer by so many seconds, `clock_skew` shifts the server's clock by so many:
    both are only for whoever owns a clock, the model is passed its time. `list_lag` is for how many seconds a list does
    not show what was changed, though all other answers do: as one of a read replica. `fraction_digits` is 6 or 9.
    `rejected_secrets` are values that the destination refuses, with `rejection_status` (412 or 422);
    a test event to one of `hanging_hosts` gets no answer, and NetBird reports that after `hang_seconds`;
    `echo_rejected` quotes the value in that refusal, as a careless server would. `added_config` and `added_fields` are
    keys that the server shows although nobody sent them.

    The rest is what no public source rules out. `blank` hides every integration from lists and from requests by id.
    `get_lag` lets GET by id lag as lists do. `reuse_ids` gives an id again once no live integration has a higher one.
    `immutable` names keys that a PUT accepts and does not change. `stamps` moves `updated_at` at every list.
    `form` is the form in which values are shown, `list_limit` how many integrations a list shows at most,
    `strange_items` whether lists also show integrations of an unknown shape, `database_skew` by how many seconds the
    clock of `created_at` and `updated_at` differs from that of `Date`, `users` whether there are
    paths for users and their tokens.
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
    form: Form = Form.AS_SENT
    list_limit: int | None = None
    strange_items: bool = False
    database_skew: float = 0.0
    users: bool = True

    def __post_init__(self) -> None:
        """Refuse settings that no server could have.

        Raises:
            ValueError: a number is outside of what the field's description allows.
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
