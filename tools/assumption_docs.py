"""Write the assumptions about NetBird into docs/security.md: `python -m tools.assumption_docs`, or `make docs`."""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

SECURITY: Final = Path(__file__).parents[1] / "docs" / "security.md"
BEGIN: Final = "<!-- assumptions: written by `make docs` -->\n"
END: Final = "<!-- end of assumptions -->\n"
WIDTH: Final = 120


class Assumed(NamedTuple):
    """An assumption that no source of the vendor confirms. `rows` are the lines of `verify` that test it."""

    assumption: str
    consequence: str
    rows: tuple[str, ...]


LISTED: Final = (
    "A new integration is listed at once",
    "A change is listed at once",
    "A deleted integration is not listed any more",
)
ASSUMED: Final = (
    Assumed(
        "After a lost answer, an integration appears within `--late-commit-window` (one minute).",
        "A second integration can be created. A later LIST that shows the first one is reported as `CreateAmbiguous`.",
        LISTED[:1],
    ),
    Assumed(
        "A LIST is at most five seconds behind NetBird's other answers.",
        "A value from before the operator's own PUT is corrected once more, or reported as `NotApplied` until the LIST "
        "shows the new one.",
        LISTED,
    ),
    Assumed(
        "What two observations, `--absence-window` (one minute) apart, do not show is gone, unless three or more owned "
        "integrations of an account are missing at once.",
        "One or two integrations that are hidden for longer are created again, three times an hour at most. When the "
        "former one appears again, the operator deletes it (with `driftPolicy: Report` it is reported), and an Event "
        "names it. A resource that is deleted meanwhile is released with a Warning Event that names the id.",
        (*LISTED[:1], "An id that does not exist is a 404 in JSON", "A deleted id is a 404 in JSON"),
    ),
    Assumed(
        "A LIST is whole, unless it lacks an owned integration that NetBird shows by id.",
        "A list that is cut, and that shows all that is owned, can hide the outcome of a lost answer: a second "
        "integration can be created.",
        (*LISTED[:1], "Each element of the list has the form of the reference"),
    ),
    Assumed(
        "An id with another `createdAt` or platform is another integration, and one with the same `createdAt` (to the "
        "second) and platform is the same.",
        "Where answers have no `createdAt`, an id that is given again is taken for the former integration.",
        ("Ids are not given again", "Times have the forms of the reference"),
    ),
    Assumed(
        "An id that a LIST has shown is not given to another integration within the next 20 seconds.",
        "A PUT or DELETE that was decided on that LIST reaches the other integration.",
        ("Ids are not given again",),
    ),
    Assumed(
        "`createdAt` has one clock.",
        "An integration that was created before a POST could be taken for its outcome, if its values are exactly the "
        "same.",
        ("created_at is of the clock of Date",),
    ),
    Assumed(
        "The clock of `createdAt` differs from that of `Date` by at most ten minutes.",
        "An outcome of a lost answer is reported as `CreateAmbiguous` instead of being recorded.",
        ("created_at is of the clock of Date",),
    ),
    Assumed(
        "A value is shown as it was sent; percent-encoded or decoded; with another case of the host, a default port or "
        "a slash at the end; with other white space; partly masked; with more headers; or as the answer to the first "
        "POST showed it.",
        "It is corrected once, and then reported as `NotApplied`.",
        ("Values are kept as they are sent", "Headers are masked whole", "PUT changes the URL"),
    ),
    Assumed(
        "`updatedAt` moves with writes alone.",
        "All settings are sent once more, at most once a day. With `driftPolicy: Report` the move is reported as "
        "`Drifted`, until a second one shows that the server itself makes them.",
        ("updated_at moves by writes only",),
    ),
    Assumed(
        "`updatedAt` changes when a write changes a secret.",
        "A secret that another client changed stays unnoticed until the resource or its Secret changes.",
        ("updated_at moves when a secret changes",),
    ),
    Assumed(
        "A database is not restored between a PUT and the next LIST, or the answer to a PUT shows the new `updatedAt`.",
        "The former settings stay unnoticed if they are masked.",
        ("PUT answers with the values from before",),
    ),
    Assumed(
        "NetBird ignores a tenant that a token has no right to, or refuses it.",
        "The account's id would differ, which is reported as `AccountMismatch`.",
        ("An account parameter without a right is ignored",),
    ),
)


def assumptions(assumed: Iterable[Assumed] = ASSUMED) -> str:
    """Return the assumptions as a Markdown list."""
    return "".join(f"{_element(each)}\n" for each in assumed)


def _element(assumed: Assumed) -> str:
    rows = "; ".join(f"*{row}*" for row in assumed.rows)
    text = f"- **{assumed.assumption}** If not: {assumed.consequence} `verify` tests: {rows}."
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def with_assumptions(page: str) -> str:
    """Return the page with the assumptions between its two markers.

    Raises:
        ValueError: A marker is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"the page must hold the lines {BEGIN.strip()} and {END.strip()}, in this order"
        raise ValueError(message)
    return f"{before}{BEGIN}\n{assumptions()}\n{END}{after}"


def main() -> None:
    """Rewrite the page in place, unless it is up to date."""
    page = SECURITY.read_text()
    written = with_assumptions(page)
    if written != page:
        SECURITY.write_text(written)


if __name__ == "__main__":
    main()
