"""The search for the control plane's programs: the order, and refusals. A mirror in a folder simulates the network."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.controlplane import cache, envtest, gobuild, versions
from tests.harness.controlplane.binaries import Binaries

RELEASE = "envtest-v1.34.10"


@pytest.fixture(autouse=True)
def _nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for variable in ("KUBEBUILDER_ASSETS", "K8S_VERSION", "ENVTEST_MIRROR"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a mirror with two patches of one minor, of which only the newer can be downloaded."""
    name = f"{RELEASE}-linux-{cache.architecture()}.tar.gz"
    folder = tmp_path / "mirror"
    (folder / RELEASE).mkdir(parents=True)
    with tarfile.open(folder / RELEASE / name, "w:gz") as archive:
        for tool in envtest.TOOLS:
            content = f"this is {tool}".encode()
            member = tarfile.TarInfo(f"controller-tools/envtest/{tool}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = hashlib.sha512((folder / RELEASE / name).read_bytes()).hexdigest()
    older = name.replace("1.34.10", "1.34.9")
    (folder / "envtest-releases.yaml").write_text(
        f"releases:\n  v1.34.9:\n    {older}:\n      hash: {'0' * 128}\n      selfLink: https://example.com/{older}\n"
        f"  v1.34.10:\n    {name}:\n      hash: {digest}\n      selfLink: https://example.com/{name}\n"
    )
    monkeypatch.setenv("ENVTEST_MIRROR", folder.as_uri())
    return folder


@pytest.mark.usefixtures("mirror")
def test_newest_patch_of_an_archive_is_downloaded_once_and_found_again() -> None:
    found = Binaries("1.34").find("etcd")

    assert found.read_text() == "this is etcd"
    assert found.parent.name == f"{RELEASE}-linux-{cache.architecture()}"
    assert found.stat().st_mode & 0o111
    assert Binaries("1.34").at_hand("kubectl") == found.with_name("kubectl")
    assert Binaries("1.35").at_hand("kubectl") is None


def test_archive_with_another_checksum_is_refused_and_leaves_nothing(mirror: Path) -> None:
    archive = next((mirror / RELEASE).iterdir())
    archive.write_bytes(archive.read_bytes() + b"\0")

    with cache.locked(), pytest.raises(envtest.UnavailableError, match="SHA-512"):
        envtest.Archives().download("1.34")

    assert envtest.cached("1.34") == {}
    assert [path.name for path in cache.root().iterdir()] == [".lock"]


def test_failed_host_is_not_tried_again(mirror: Path) -> None:
    index = mirror / "envtest-releases.yaml"
    content = index.read_text()
    index.unlink()
    archives = envtest.Archives()
    with cache.locked():
        with pytest.raises(envtest.UnavailableError, match="not reached"):
            archives.download("1.34")
        index.write_text(content)
        with pytest.raises(envtest.UnavailableError, match="not reached"):
            archives.download("1.34")


def test_message_without_go_and_archive_names_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with cache.locked(), pytest.raises(gobuild.BuildError, match=r"install Go .* KUBEBUILDER_ASSETS"):
        gobuild.build(gobuild.recipe("etcd", "1.37"))


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def make(version: str) -> Path:
        folder = tmp_path / "assets"
        folder.mkdir()
        for tool in envtest.TOOLS:
            (folder / tool).write_text(f"#!/bin/sh\necho Kubernetes {version}\n")
            (folder / tool).chmod(0o755)
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))
        return folder

    return make


def test_kubebuilder_assets_come_first_and_determine_the_minor(assets: Callable[[str], Path]) -> None:
    folder = assets("v1.35.1")
    binaries = Binaries()
    assert binaries.find("kube-apiserver") == folder / "kube-apiserver"
    assert binaries.minor == "1.35"


def test_kubebuilder_assets_of_another_minor_are_ignored(
    assets: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assets("v1.35.1")
    monkeypatch.setenv("K8S_VERSION", "1.36.3")
    binaries = Binaries()
    assert binaries.minor == "1.36"
    assert binaries.at_hand("kube-apiserver") is None


def test_unpinned_minor_is_refused_with_the_pinned_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_VERSION", "1.12")
    with pytest.raises(versions.UnknownVersionError, match=r"1\.34, 1\.35, 1\.36, 1\.37"):
        Binaries()


@pytest.mark.parametrize("minor", versions.pinned_minors())
def test_every_pinned_minor_has_its_own_version_and_hashes(minor: str) -> None:
    module = versions.kubernetes(minor)
    assert versions.minor_of(module.version) == minor
    assert f"k8s.io/kubernetes {module.version} h1:" in (module.folder / "go.sum").read_text()
