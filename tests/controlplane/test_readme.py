"""Every example of README.md is applied to the real API server, and its commands are run as they stand there."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from netbird_streaming.core.resources import Platform
from tests.support.controlplane import Binaries, ControlPlane
from tests.support.docs import README
from tests.support.refusals import install_crds

BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
DOCUMENTS = [document for block in BLOCKS for document in yaml.safe_load_all(block)]
NAMESPACE = "team-a"


def label(block: str) -> str:
    document = yaml.safe_load(block)
    return f"{document['kind']}/{document['metadata']['name']}"


@pytest.fixture(scope="module")
def reader(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane with the definitions and the namespace that the examples are for."""
    install_crds(control_plane)
    control_plane.kubectl("create", "namespace", NAMESPACE)
    yield control_plane
    # Only these: what other files left behind on this server waits for operators that are gone.
    examples = yaml.safe_dump_all(DOCUMENTS)
    control_plane.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", "-", input=examples)
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_there_is_an_example_for_each_platform_and_kind() -> None:
    specs = [document["spec"] for document in DOCUMENTS if document["kind"] == "EventStreamingIntegration"]
    assert {spec["platform"] for spec in specs} == {platform.value for platform in Platform}
    assert {document["kind"] for document in DOCUMENTS} == {
        "EventStreamingIntegration",
        "NetBirdConnection",
        "ClusterNetBirdConnection",
    }


@pytest.mark.parametrize("block", BLOCKS, ids=label)
def test_the_example_is_accepted(reader: ControlPlane, block: str) -> None:
    def version() -> str:
        return reader.kubectl("get", "-f", "-", "--output=jsonpath={.metadata.resourceVersion}", input=block)

    assert "created" in reader.kubectl("apply", "-f", "-", input=block)
    first = version()
    reader.kubectl("apply", "-f", "-", input=block)
    assert version() == first


def test_the_commands_about_a_resource_work_as_they_stand(reader: ControlPlane, tmp_path: Path) -> None:
    page = README.read_text().replace("\\\n", "")
    found = re.findall(r"^kubectl (?:patch|annotate|get|describe) .*$", page, re.MULTILINE)
    assert {command.split()[1] for command in found} == {"patch", "annotate", "get", "describe"}
    datadog = next(block for block in BLOCKS if label(block) == "EventStreamingIntegration/datadog")
    reader.kubectl("apply", "-f", "-", input=datadog)
    folder = reader.binaries.find("kubectl").parent
    environment = {
        **os.environ,
        "KUBECONFIG": str(reader.kubeconfig),
        "KUBECACHEDIR": str(tmp_path),
        "PATH": f"{folder}:{os.environ['PATH']}",
    }
    for command in found:
        done = subprocess.run(["bash", "-euc", command], env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_the_values_that_it_installs_the_chart_with_are_accepted() -> None:
    (command,) = re.findall(r"^ +(helm install .*)$", README.read_text().replace("\\\n", ""), re.MULTILINE)
    helm = Binaries().find("helm")
    rendered = subprocess.run(
        ["bash", "-euc", command.replace("helm install", "helm template")],
        cwd=README.parent,
        env={**os.environ, "PATH": f"{helm.parent}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    documents = [document for document in yaml.safe_load_all(rendered) if document]
    (connection,) = (each for each in documents if each["kind"] == "ClusterNetBirdConnection")
    assert connection["spec"]["access"] == [{"namespaces": [NAMESPACE]}]
