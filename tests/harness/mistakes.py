"""Wrong inputs of a reader: a verifying block of a page must fail for them, or show them.

The reader makes each mistake before the block runs for the first time. A block that waits must then fail, at the first
try: one that accepts the state before the mistake is wrong. A block that shows something must show the mistake.

Each credential that a page's command takes is a mistake by itself: `typed_mistakes` finds the commands on the page.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tests.harness import pages
from tests.harness.pages import Block

REJECTED: Final = "rejected-by-the-destination"
"""A value that every destination rejects."""
VERIFIES: Final = re.compile(
    r"\bkubectl (wait|get|describe|auth can-i)\b|\bnetbird-streaming(-operator)? (check|plan)\b"
)
"""Commands that show the reader whether a step worked."""
_FAILS: Final = re.compile(r"\bkubectl wait\b|\bnetbird-streaming-operator check --pre\b")
"""Commands that fail after a wrong credential. The others show its effect."""
_REPLACES: Final = re.compile(r"--dry-run|\bkubectl patch secret\b")
"""The form of a command that replaces a credential which was in use."""

_RELEASE: Final = "netbird-streaming-operator"
_TYPO: Final = "nbp_typo"
_WRONG: Final = {
    "NETBIRD_TOKEN": _TYPO,
    "TEAM_NETBIRD_TOKEN": _TYPO,
    "DATADOG_API_KEY": REJECTED,
    "NEW_DATADOG_API_KEY": REJECTED,
    "AWS_SECRET_ACCESS_KEY": REJECTED,
    "DESTINATION_TOKEN": REJECTED,
}
"""The variables with credentials, and a wrong value of each."""
_ANOTHER_ACCOUNT: Final = {"NETBIRD_TOKEN": "$TEAM_NETBIRD_TOKEN"}
"""Tokens of another account, which are wrong only where one of the former account was in use."""
_ACCESS: Final = (
    f"helm upgrade {_RELEASE} deploy/chart/{_RELEASE} --namespace netbird-system --reset-then-reuse-values"
    " --set 'connection.access.namespaces={{{}}}'"
)


def _put(secret: str, namespace: str, key: str, value: str) -> str:
    # The value may be a variable of the shell.
    patch = rf'"{{\"stringData\": {{\"{key}\": \"{value}\"}}}}"'
    return f"kubectl patch secret {secret} --namespace {namespace} --type=merge --patch {patch}"


def _put_token(value: str) -> str:
    return _put("netbird", "netbird-system", "token", value)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong input, from the block before which it is made to the block that must show it."""

    page: str
    verifies: str
    """Text of the block that must fail or show the mistake; no other block of the page contains it."""
    begins: str = ""
    """Text of the block that the reader does wrong first; empty: the block that verifies."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """The reader's wrong text, by the page's text."""
    make: str = ""
    """Commands that make the mistake, if none of the page's commands does."""
    undo: str = ""
    """Commands that undo it."""
    shows: str = ""
    """A pattern of the block's output in the end. Empty: the block must fail at once."""
    again: bool = False
    """After the mistake, the reader repeats all blocks, not only the verifying one."""

    def begins_at(self, block: Block) -> bool:
        """Return whether the reader makes the mistake in a block, or immediately before it."""
        return (self.begins or self.verifies) in block.text

    @property
    def replaced(self) -> Iterator[tuple[str, str]]:
        """The wrong and the right value of each credential that the reader types wrong."""
        return ((wrong, right) for right, wrong in self.instead.items() if right[1:] in _WRONG)

    def typed(self, block: Block) -> Block:
        """Return a block as the reader types it."""
        text = block.text
        for right, wrong in self.instead.items():
            text = text.replace(right, wrong)
        return replace(block, text=re.sub(r"--timeout=\w+", "--timeout=3s", text))


def takes_credentials(block: Block) -> list[str]:
    """Return the variables with credentials that a block's commands take."""
    return [name for name in _WRONG if f'${name}"' in block.script]


def typed_mistakes(page: str) -> list[Mistake]:
    """Return the mistakes in the credentials that a page's commands take.

    Each lasts until the next command that fails after it. A page without such a command has none of them.
    """
    found = [each for each in pages.blocks(page) if each.runs]
    mistakes = []
    for place, block in enumerate(found):
        typed = takes_credentials(block)
        verifying = next((each for each in found[place:] if _FAILS.search(each.script)), None)
        if not typed or verifying is None:
            continue
        name = typed[0]
        wrong = [_WRONG[name]]
        if _REPLACES.search(block.script) and name in _ANOTHER_ACCOUNT:
            wrong.append(_ANOTHER_ACCOUNT[name])
        mistakes += [
            Mistake(page, verifying.text, begins=block.text, instead={f"${name}": each}, again=each != wrong[-1])
            for each in wrong
        ]
    return mistakes


def mistakes_of(page: str) -> list[Mistake]:
    """Return all mistakes of a page, those in its credentials first."""
    return [*typed_mistakes(page), *(each for each in MISTAKES if each.page == page)]


def _wrong_token(page: str, verifies: str, shows: str = "TokenRejected") -> Mistake:
    return Mistake(page, verifies, make=_put_token(_TYPO), undo=_put_token("$NETBIRD_TOKEN"), shows=shows)


def _failing_check(page: str, verifies: str) -> Mistake:
    return replace(_wrong_token(page, verifies), shows="")


def _wrong_key(page: str, verifies: str) -> Mistake:
    make, undo = (_put("datadog", "team-a", "api-key", value) for value in (REJECTED, "$DATADOG_API_KEY"))
    return Mistake(page, verifies, make=make, undo=undo, shows="DestinationRejected")


def _missing_right(runbook: str, verifies: str) -> Mistake:
    other = {f":{_RELEASE}": ":without-rights"}
    return Mistake(f"docs/runbooks/NetBirdStreaming{runbook}.md", verifies, instead=other)


_ADOPTION: Final = "docs/adoption-and-backup.md"
_CONNECTIONS: Final = "docs/connections.md"
_GETTING_STARTED: Final = "docs/getting-started.md"
_UPGRADE: Final = "docs/upgrade-and-uninstall.md"
_DELETE_DATADOG: Final = "kubectl delete secret datadog --namespace team-a"
_CREATE_DATADOG: Final = (
    'printf %s "$DATADOG_API_KEY" |'
    " kubectl create secret generic datadog --namespace team-a --from-file=api-key=/dev/stdin"
)
_WITHOUT_TOKEN: Final = """kubectl apply -f - <<'END'
apiVersion: integrations.netbird.io/v1alpha1
kind: NetBirdConnection
metadata: {name: slow, namespace: team-a}
spec: {tokenSecretRef: {name: slow, key: token}, rateLimit: {requestsPerMinute: 7, burst: 7}}
END
"""

MISTAKES: Final = (
    # The README's resource exists before its Secret.
    Mistake("README.md", "kubectl get esi -n team-a", shows="False +SecretNotFound"),
    _wrong_key("README.md", "kubectl describe"),
    Mistake(
        _ADOPTION,
        "esi/adopted",
        begins="name: adopted",
        instead={"id: 4711": "id: 4799"},
        undo="kubectl delete esi adopted --namespace team-a --timeout=20s",
        again=True,
    ),
    Mistake(_ADOPTION, "kubectl get events", instead={"Orphan": "Orphn"}),
    # A backup that is older than a change of the settings.
    *(
        Mistake(
            _ADOPTION,
            verifies,
            begins="name: restored",
            instead={"made-by-hand": "another-stream"},
            undo="kubectl delete esi restored --namespace team-a --ignore-not-found --timeout=20s",
            shows=shows,
            again=True,
        )
        for verifies, shows in {"--filename restored.yaml": "create: ", "apply -f restored.yaml": ""}.items()
    ),
    _failing_check("docs/commands/README.md", "netbird-streaming check"),
    _failing_check("docs/commands/check.md", "operator check\n"),
    Mistake("docs/commands/check.md", "--output json", make=_DELETE_DATADOG, undo=_CREATE_DATADOG),
    Mistake("docs/commands/plan.md", "operator plan ||", make=_DELETE_DATADOG, undo=_CREATE_DATADOG),
    Mistake(
        "docs/commands/plan.md",
        "planned.example.com",
        instead={"url: https://planned.example.com/netbird": "urlSecretRef: {name: missing, key: url}"},
    ),
    _wrong_token(_CONNECTIONS, "kubectl get clusternetbirdconnections"),
    Mistake(
        _CONNECTIONS,
        "condition=Suspended",
        begins="managementPolicy: Observe",
        instead={"managementPolicy: Observe": "managementPolicy: Manage"},
        undo="kubectl delete esi observed --namespace team-a --timeout=20s",
        again=True,
    ),
    Mistake(_CONNECTIONS, "kubectl patch clusternetbirdconnection", instead={"Manage": "manage"}),
    _wrong_key(_GETTING_STARTED, "kubectl describe esi"),
    Mistake(
        _GETTING_STARTED,
        "kubectl get events",
        make=_ACCESS.format("team-x"),
        undo=_ACCESS.format("team-a"),
        shows="NamespaceNotAllowed",
    ),
    _wrong_token("docs/logs-and-events.md", "kubectl get events -A", "Warning +TokenRejected"),
    _wrong_token("docs/operations.md", "kubectl get lease"),
    _wrong_token("docs/operations.md", "--no-headers", "False +TokenRejected"),
    _wrong_token("docs/runbooks/NetBirdStreamingNotReady.md", "kubectl describe netbird"),
    _missing_right("NotSynced", "can-i list"),
    Mistake(
        "docs/runbooks/NetBirdStreamingRateLimitExhausted.md",
        "custom-columns",
        make=_WITHOUT_TOKEN,
        undo="kubectl delete netbirdconnection slow --namespace team-a",
        shows="slow +.*requestsPerMinute:7",
    ),
    _wrong_token("docs/runbooks/NetBirdStreamingResyncStale.md", "kubectl get nbc,cnbc"),
    _missing_right("KubernetesRefused", "can-i get"),
    Mistake(
        "docs/runbooks/NetBirdStreamingTokenExpires.md",
        "custom-columns",
        make=_WITHOUT_TOKEN,
        undo="kubectl delete netbirdconnection slow --namespace team-a",
        shows="slow +<none>",
    ),
    _missing_right("Unreadable", "can-i list"),
    _missing_right("WatchRestarts", "can-i watch"),
    Mistake(
        "docs/security.md",
        "can-i --list",
        instead={f":{_RELEASE}": ":without-rights"},
        shows=r"(?s)\A(?!.*eventstreamingintegrations)",
    ),
    _wrong_key("docs/statuses.md", "kubectl describe"),
    Mistake(
        "docs/statuses.md",
        "kubectl annotate",
        instead={"reconcile-requested-at": "reconcile-request-at"},
        undo="kubectl annotate esi datadog --namespace team-a integrations.netbird.io/reconcile-request-at-",
    ),
    Mistake(
        _UPGRADE,
        "{.spec.url} {.spec.access}",
        make=_ACCESS.format("team-a,team-b,team-x"),
        undo=_ACCESS.format("team-a,team-b"),
        shows='"team-x"',
    ),
    # The next block would delete the resources of another team.
    Mistake(_UPGRADE, "kubectl get eventstreamingintegrations", shows="team-b +other"),
    Mistake(
        _UPGRADE,
        "kubectl get customresourcedefinitions",
        make="kubectl apply --server-side --filename=crds",
        undo="kubectl delete --filename=crds",
        shows="eventstreamingintegrations",
    ),
)

NOT_WRONG: Final = {
    **{
        f"docs/runbooks/NetBirdStreaming{name}.md": "its commands show pods, and an API server without nodes has none"
        for name in ("NoLeader", "Restarts")
    },
    "docs/runbooks/NetBirdStreamingLeaderChanges.md": "its commands show the Lease and the health of the API server",
}
"""Pages whose blocks show state that no input of a reader changes, and why."""


def verifying(page: str) -> list[Block]:
    """Return the blocks of a page that show the reader whether a step worked."""
    return [
        block
        for block in pages.blocks(page)
        if block.runs and block.language in pages.COMMANDS and VERIFIES.search(block.script)
    ]
