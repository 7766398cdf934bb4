"""A cluster for all tests of this folder, with everything that exists before the chart is installed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.doubles.netbird.process import running_netbird
from tests.doubles.netbird.tenancy import Account, Token
from tests.e2e.release import AUTHORITY, FIRST, REPOSITORY, SECOND, TEAM, TOKEN_SECRET, Site, make_certificate, objects
from tests.harness.kubectl_team import SECRETS, secret
from tests.harness.manifests import Manifest, to_yaml
from tests.harness.node import Cluster, ClusterError, check, cluster
from tests.harness.operator import NAMESPACE
from tools import image

ACCOUNT: Final = "account-e2e"
TOKEN: Final = "nbp_e2e"
FIGURES: Final = pytest.StashKey[list[str]]()
Figure = Callable[[str], None]


@pytest.fixture(scope="session")
def engine() -> str:
    with _in_one_sentence():
        check()
        return image.engine()


@pytest.fixture(scope="session")
def archives(engine: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The image from the Dockerfile, in two versions."""
    folder = tmp_path_factory.mktemp("images")
    with _in_one_sentence():
        for tag in (FIRST, SECOND):
            image.build(engine, f"{REPOSITORY}:{tag}", revision=tag)
    return [image.save(engine, f"{REPOSITORY}:{tag}", folder / f"{tag}.tar") for tag in (FIRST, SECOND)]


@pytest.fixture(scope="session")
def node(engine: str, archives: list[Path]) -> Iterator[Cluster]:
    with ExitStack() as stack:
        with _in_one_sentence():
            running = stack.enter_context(cluster(engine))
        for each in archives:
            running.load(each)
        yield running


@pytest.fixture(scope="session")
def site(node: Cluster) -> Iterator[Site]:
    """Start a NetBird with a private certificate, and create what the README requires before `helm install`."""
    certificate, key = make_certificate(node.folder, node.address)
    flags = (f"--host={node.address}", f"--certificate={certificate}", f"--key={key}")
    with ExitStack() as stack:
        # Before the client of the control API is created, which reads it.
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("SSL_CERT_FILE", str(certificate))
        netbird = stack.enter_context(running_netbird(flags))
        netbird.control.add_account(Account(ACCOUNT))
        netbird.control.add_token(Token("e2e", TOKEN, ACCOUNT))
        authority = {"ca.crt": certificate.read_text()}
        node.kubectl("apply", "--filename=-", input=to_yaml(_namespace(NAMESPACE), _namespace(TEAM)))
        ours = (_config_map(AUTHORITY, authority), secret(TOKEN_SECRET, token=TOKEN))
        node.kubectl("apply", f"--namespace={NAMESPACE}", "--filename=-", input=to_yaml(*ours))
        team = to_yaml(*(secret(name, **values) for name, values in SECRETS.items()))
        node.kubectl("apply", f"--namespace={TEAM}", "--filename=-", input=team)
        yield Site(node, netbird, ACCOUNT, objects(node))


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """Return a function for lines that are shown when all tests have run: measured values."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(f"measured: {line}")


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    """End the run with the missing requirement as the only message."""
    try:
        yield
    except (ClusterError, image.ImageError) as error:
        pytest.exit(str(error), returncode=1)


def _namespace(name: str) -> Manifest:
    """Create a namespace that admits only pods of the restricted standard."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _config_map(name: str, data: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
