"""The address of the API server, and the reload of a replaced token."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from netbird_streaming.cluster.configuration import load_configuration
from netbird_streaming.errors import WaitError


def kubeconfig(folder: Path, user: dict[str, Any], cluster: dict[str, str] | None = None) -> dict[str, str]:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": cluster or {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    path.write_text(json.dumps(content))
    return {"KUBECONFIG": str(path), "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_token_file_is_read_again_each_minute(tmp_path: Path) -> None:
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


def test_unreadable_file_is_named_without_its_text(tmp_path: Path) -> None:
    path = tmp_path / "config"
    for content in ("{hunter2: [", "hunter2", "users: hunter2", ""):
        path.write_text(content)
        with pytest.raises(WaitError) as caught:
            asyncio.run(load_configuration({"KUBECONFIG": str(path)}, lambda: 0.0))
        assert str(path) in caught.value.message
        assert "hunter2" not in repr(caught.value)
        assert caught.value.__context__ is None


def test_default_is_the_pods_credentials_or_the_home_folders(tmp_path: Path) -> None:
    in_pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": ""}
    with pytest.raises(WaitError, match="the pod's ServiceAccount"):
        asyncio.run(load_configuration(in_pod, lambda: 0.0))
    with pytest.raises(WaitError, match=r"/\.kube/config"):
        asyncio.run(load_configuration({"HOME": str(tmp_path)}, lambda: 0.0))


def test_proxy_is_the_kubeconfigs_or_the_environments_if_usable(
    tmp_path: Path,
) -> None:
    async def proxy(environment: dict[str, str], **cluster: str) -> str | None:
        server = {"server": "https://10.0.0.1:6443", **cluster}
        return (await load_configuration({**kubeconfig(tmp_path, {}, server), **environment}, lambda: 0.0)).proxy

    assert asyncio.run(proxy({"HTTPS_PROXY": "http://p:1"})) == "http://p:1"
    assert asyncio.run(proxy({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"})) is None
    assert asyncio.run(proxy({"ALL_PROXY": "socks5://p:1"})) is None
    assert asyncio.run(proxy({"HTTPS_PROXY": "http://p:1"}, **{"proxy-url": "http://q:1"})) == "http://q:1"
    for given in ("socks5://u:hunter2@p:1", "htp://hunter2"):
        with pytest.raises(WaitError, match="HTTPS_PROXY of the operator's environment") as caught:
            asyncio.run(proxy({"HTTPS_PROXY": given}))
        assert "hunter2" not in repr(caught.value)
    with pytest.raises(WaitError, match="proxy-url of the kubeconfig names a SOCKS proxy"):
        asyncio.run(proxy({}, **{"proxy-url": "socks5://p:1"}))
