"""Tests of which proxy the environment names for a URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.proxies import proxy_for

PROXY = "http://proxy.example:3128"


def chosen(url: str, environment: dict[str, str], *, all_proxy: bool = True) -> str | None:
    found = proxy_for(url, environment, all_proxy=all_proxy)
    return None if found is None else found.url


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"HTTPS_PROXY": " proxy.example:3128 "}, PROXY),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "http://p:1"),
        ({"HTTP_PROXY": PROXY}, None),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"all_proxy": PROXY, "HTTPS_PROXY": "http://p:1"}, "http://p:1"),
    ],
)
def test_variable_of_the_scheme_names_the_proxy(environment: dict[str, str], proxy: str | None) -> None:
    assert chosen("https://netbird.example", environment) == proxy


def test_clients_of_kubernetes_ignore_all_proxy() -> None:
    assert chosen("https://10.0.0.1", {"ALL_PROXY": PROXY}, all_proxy=False) is None


@pytest.mark.parametrize(
    ("url", "excluded", "unless"),
    [
        ("https://netbird.example", "netbird.example", "example.org"),
        ("https://NetBird.Example.", "netbird.EXAMPLE", "bird.example"),
        ("https://nb.internal.example", "internal.example", "nal.example"),
        ("https://nb.internal.example", ".internal.example", ".nal.example"),
        ("https://nb.internal.example", "*.internal.example", "*.nal.example"),
        ("https://nb.internal.example", "*", "*nb"),
        ("https://nb.internal.example:8443", "nb.internal.example:8443", "nb.internal.example:443"),
        ("https://nb.internal.example", "nb.internal.example:443", "nb.internal.example:80"),
        ("https://10.128.11.39", "10.128.11.39", "10.128.11.3"),
        ("https://10.128.11.39", "10.128.0.0/16", "10.129.0.0/16"),
        ("https://10.128.11.39", "10.128.11.39:443", "10.128.11.39:8443"),
        ("https://10.128.11.39", "192.0.2.0/24 10.128.0.0/16", "192.0.2.0/24 10.129.0.0/16"),
        ("https://[fd02::7]", "fd02::/112", "fd01::/48"),
        ("https://[fd02::7]", "fd02::7", "fd02::8"),
        ("https://[fd02::7]", "[fd02::7]", "[fd02::8]"),
        ("https://[fd02::7]:8443", "[fd02::7]:8443", "[fd02::7]:443"),
        ("https://[fd02:0:0::7]", "FD02::0007", "fd02::70"),
        ("https://[::ffff:10.128.11.39]", "10.128.0.0/16", "::ffff:0:0:0/96"),
    ],
)
def test_no_proxy_excludes_exactly_the_named_hosts(url: str, excluded: str, unless: str) -> None:
    junk = "::1/128,[fd00::1],10.0.0.0/99,1.2.3/8,[::1,:80,//,host:port,http://x,;, ,"
    assert chosen(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": excluded}) is None
    assert chosen(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": junk + excluded}) is None
    assert chosen(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": junk + unless}) == PROXY


@pytest.mark.parametrize(
    "host", ["localhost", "api.localhost", "127.0.0.1", "127.8.0.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_never_proxied(host: str) -> None:
    environment = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "ALL_PROXY": "socks5://p:1"}
    assert chosen(f"https://{host}:8443/api", environment) is None
    assert chosen(f"http://{host}", environment) is None


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (PROXY, None),
        ("https://user:hunter2@proxy.example", None),
        ("proxy.example", None),
        ("socks5://hunter2:1080", "HTTPS_PROXY of the operator's environment names a SOCKS proxy, which is not"),
        ("socks5h://hunter2", "names a SOCKS proxy"),
        ("htp://hunter2", "is not the URL of a proxy"),
        ("http://", "is not the URL of a proxy"),
        ("http://hunter2:port", "is not the URL of a proxy"),
        ("http://[hunter2", "is not the URL of a proxy"),
    ],
)
def test_unusable_proxy_is_described_without_its_value(value: str, fault: str | None) -> None:
    found = proxy_for("https://netbird.example", {"HTTPS_PROXY": value})
    assert found is not None
    assert "hunter2" not in repr(found)
    if fault is None:
        assert found.fault is None
    else:
        assert found.fault is not None
        assert fault in found.fault
        assert "hunter2" not in found.fault


@given(st.text(), st.text(), st.text())
def test_no_environment_raises(url: str, proxy: str, excluded: str) -> None:
    for each in (url, f"https://{url}", "https://netbird.example"):
        found = proxy_for(each, {"HTTPS_PROXY": proxy, "NO_PROXY": excluded}, all_proxy=True)
        assert found is None or isinstance(found.fault, str | None)
