"""Where the API server is found, and that a token that was replaced is picked up."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from netbird_streaming.cluster.configuration import load_configuration, proxy_for
from netbird_streaming.errors import WaitError


def kubeconfig(folder: Path, user: dict[str, Any]) -> dict[str, str]:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    path.write_text(json.dumps(content))
    return {"KUBECONFIG": str(path), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_a_token_file_is_read_again_each_minute(tmp_path: Path) -> None:
    token, clock = tmp_path / "token", [100.0]
    token.write_text("old")

    async def scenario() -> list[str | None]:
        configuration = await load_configuration(kubeconfig(tmp_path, {"tokenFile": str(token)}), lambda: clock[0])
        assert configuration.host == "https://127.0.0.1:6443"
        seen = [await configuration.get_api_key_with_prefix("BearerToken")]
        token.write_text("new")
        for clock[0] in (159.0, 160.0):
            seen.append(await configuration.get_api_key_with_prefix("BearerToken"))
        token.unlink()
        clock[0] = 300.0
        return [*seen, await configuration.get_api_key_with_prefix("BearerToken")]

    assert asyncio.run(scenario()) == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]


def test_what_can_not_be_read_is_named_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "config"
    for content in ("{hunter2: [", "hunter2", "users: hunter2", ""):
        path.write_text(content)
        with pytest.raises(WaitError) as caught:
            asyncio.run(load_configuration({"KUBECONFIG": str(path)}, lambda: 0.0))
        assert str(path) in caught.value.message
        assert "hunter2" not in repr(caught.value)
        assert caught.value.__context__ is None


def test_without_a_kubeconfig_the_pods_own_credentials_or_the_home_folders_are_meant(tmp_path: Path) -> None:
    in_pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": ""}
    with pytest.raises(WaitError, match="the pod's ServiceAccount"):
        asyncio.run(load_configuration(in_pod, lambda: 0.0))
    with pytest.raises(WaitError, match=r"/\.kube/config"):
        asyncio.run(load_configuration({"HOME": str(tmp_path)}, lambda: 0.0))


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com, 10.0.0.1"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "192.168.0.0/16,10.0.0.0/8"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, None),
    ],
)
def test_a_proxy_of_the_environment_is_used_unless_the_address_is_excepted(
    environment: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for("https://10.0.0.1:443", environment) == proxy


def test_names_are_excepted_by_their_domain() -> None:
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example.com"}
    assert proxy_for("https://k8s.example.com", environment) is None
    assert proxy_for("https://k8s.example.org", environment) == "http://p:1"
