"""Rules of a CRD's schema in CEL, kept beside the models that they are about.

Measured on a real API server: the rule of a parent that names a child by `fieldPath` never prints the child's value, a
rule on a leaf does. A credential may have been pasted into any text field, so every rule here is of the former sort.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

VALIDATIONS: Final = "x-kubernetes-validations"
MAX_NAME: Final = 32


class Cause(StrEnum):
    """What the API server calls the fault; it becomes part of the sentence that a user reads."""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    REQUIRED = "FieldValueRequired"


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold (`rule`, with the object as `self`), and the sentence where it does not.

    `field` is the path from the object to the field that is at fault, as `.name`; None is the object itself.
    `expression` is CEL that words the sentence, with `message` where it can't be evaluated; it only ever uses values of
    an enum.
    """

    rule: str
    message: str
    field: str | None = None
    cause: Cause = Cause.INVALID
    expression: str | None = None

    def to_schema(self) -> dict[str, str]:
        """The entry of `x-kubernetes-validations`."""
        entry = {"rule": self.rule, "message": self.message}
        if self.expression is not None:
            entry["messageExpression"] = self.expression
        if self.field is not None:
            entry["fieldPath"] = self.field
        return entry | {"reason": self.cause.value}


def rules(*members: Rule) -> dict[str, Any]:
    """The rules of a model, for the `json_schema_extra` of its configuration."""
    return {VALIDATIONS: [each.to_schema() for each in members]}


def short_names() -> dict[str, Any]:
    """The rule of a map whose keys are names of settings, for the schema of its field: a schema can't bound a key."""
    rule = f"self.all(name, size(name) <= {MAX_NAME})"
    return {VALIDATIONS: [{"rule": rule, "message": f"must have names of at most {MAX_NAME} characters"}]}


def literal(text: str) -> str:
    """A string literal of CEL, which takes JSON's."""
    return json.dumps(text)


def literals(texts: Sequence[str]) -> str:
    """A list literal of CEL."""
    return f"[{', '.join(literal(each) for each in texts)}]"


def first_fault(field: str, faults: Sequence[tuple[str, str]], cause: Cause = Cause.INVALID) -> Rule:
    """One rule of several: (condition in CEL that is a fault, sentence); the first that holds is told.

    `field` is a direct child of the object, as `.url`; nothing is asked of it where it is absent.
    """
    conditions = [f"({condition})" for condition, _ in faults]
    *others, (_, last) = faults
    expression = "".join(f"({condition}) ? {literal(sentence)} : " for condition, sentence in others) + literal(last)
    return Rule(
        rule=f"!has(self{field}) || !({' || '.join(conditions)})",
        message=last if not others else "must be as its description says (kubectl explain)",
        field=field,
        cause=cause,
        expression=expression if others else None,
    )


def one_of_two(first: str, second: str, missing: str, both: str) -> tuple[Rule, Rule]:
    """Exactly one of two fields: what is said of the first where there is none, of the second where there are both."""
    return (
        Rule(f"has(self{first}) || has(self{second})", missing, first, Cause.REQUIRED),
        Rule(f"!has(self{first}) || !has(self{second})", both, second, Cause.FORBIDDEN),
    )


def matches(path: str, pattern: str) -> str:
    """Whether the text at `path` matches the RE2 pattern."""
    return f"{path}.matches({literal(pattern)})"
