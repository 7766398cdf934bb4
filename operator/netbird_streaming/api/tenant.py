"""A managed service provider's tenant."""

from typing import Final

from netbird_streaming.api.validation.rules import Rule, first_fault, matches

TenantID = str | None
MAX_TENANT: Final = 128


def tenant_rule() -> Rule:
    """The id of a tenant, which becomes part of a query (`?account=`)."""
    return first_fault(
        ".tenantID",
        (
            (
                f"!{matches('self.tenantID', '^[A-Za-z0-9][A-Za-z0-9._-]*$')}",
                "must be the id of a tenant: letters, digits, '-', '_' and '.'; not its name or domain",
            ),
        ),
    )
