"""CEL rules of a CRD's schema, defined in the models that they check.

A rule of a parent that names a child by `fieldPath` never prints the value of the child, but a rule of a leaf does
(measured on a real API server). A user may paste a credential into any text field. All rules are therefore those of
parents.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

VALIDATIONS: Final = "x-kubernetes-validations"
MAX_NAME: Final = 32


class Cause(StrEnum):
    """Type of a fault in the API server. It becomes part of the message that a user reads."""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    REQUIRED = "FieldValueRequired"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule for an object (`self`), and the message if it does not hold.

    `field` is the path from the object to the wrong field, such as `.name`; None is the object itself. `expression` is
    CEL that returns the message. It uses only values of an enum. `message` is used if it can't be evaluated.
    """

    rule: str
    message: str
    field: str | None = None
    cause: Cause = Cause.INVALID
    expression: str | None = None

    def to_schema(self) -> dict[str, str]:
        """Return the entry of `x-kubernetes-validations`."""
        entry = {"rule": self.rule, "message": self.message}
        if self.expression is not None:
            entry["messageExpression"] = self.expression
        if self.field is not None:
            entry["fieldPath"] = self.field
        return entry | {"reason": self.cause.value}


def rules(*members: Rule) -> dict[str, Any]:
    """Return the rules of a model, for the `json_schema_extra` of its configuration."""
    return {VALIDATIONS: [each.to_schema() for each in members]}


def short_names() -> dict[str, Any]:
    """Return the rule that limits the keys of a map. A schema itself can't limit a key."""
    rule = f"self.all(name, size(name) <= {MAX_NAME})"
    return {VALIDATIONS: [{"rule": rule, "message": f"must have names of at most {MAX_NAME} characters"}]}


def literal(text: str) -> str:
    """Return a string literal of CEL, which accepts those of JSON."""
    return json.dumps(text)


def literals(texts: Sequence[str]) -> str:
    """Return a list literal of CEL."""
    return f"[{', '.join(literal(each) for each in texts)}]"


def first_fault(field: str, faults: Sequence[tuple[str, str]], cause: Cause = Cause.INVALID) -> Rule:
    """Combine several faults, each a CEL condition and a message, into one rule that reports the first.

    `field` is a direct child of the object, such as `.url`. An absent field is valid.
    """
    conditions = [f"({condition})" for condition, _ in faults]
    *others, (_, last) = faults
    expression = "".join(f"({condition}) ? {literal(sentence)} : " for condition, sentence in others) + literal(last)
    return Rule(
        rule=f"!has(self{field}) || !({' || '.join(conditions)})",
        message=last if not others else "must match its description (kubectl explain)",
        field=field,
        cause=cause,
        expression=expression if others else None,
    )


def one_of_two(first: str, second: str, missing: str, both: str) -> tuple[Rule, Rule]:
    """Return rules for exactly one of two fields. `missing` is the message about the first, `both` about the second."""
    return (
        Rule(f"has(self{first}) || has(self{second})", missing, first, Cause.REQUIRED),
        Rule(f"!has(self{first}) || !has(self{second})", both, second, Cause.FORBIDDEN),
    )


def matches(path: str, pattern: str) -> str:
    """Return the CEL condition that the text at `path` matches the RE2 pattern."""
    return f"{path}.matches({literal(pattern)})"
