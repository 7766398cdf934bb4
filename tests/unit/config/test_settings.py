"""Settings: precedence of sources, one sentence for an invalid value, and complete help."""

import argparse
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.config.settings import Settings, SettingsError, add_flags, read_settings, unknown_variables


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(made)
    return made


def read(*arguments: str, **environment: str) -> Settings:
    variables = {f"NETBIRD_STREAMING_{name}": value for name, value in environment.items()}
    return read_settings(parser().parse_args(arguments), variables)


@pytest.mark.parametrize("url", ["", "https://docs.example.com/0.1.0/{page}/", "http://docs.example.com/{page}.md?v=1"])
def test_address_of_the_docs_has_a_place_for_the_page(url: str) -> None:
    assert read(f"--docs-url={url}").docs_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://docs.example.com/",
        "docs.example.com/{page}",
        "https://docs.example.com/{page}#a",
        "https://docs.example.com/{page}/{page}",
        "https://docs.example.com/{version}/{page}",
        "https://docs.example.com/{page}".ljust(257, "x"),
    ],
)
def test_other_address_of_the_docs_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="--docs-url: takes a URL of at most 256 characters with"):
        read(f"--docs-url={url}")


def test_no_arguments_give_the_defaults() -> None:
    assert read() == Settings()


def test_flag_has_precedence_over_its_variable() -> None:
    assert read("--workers=3", WORKERS="5").workers == 3
    assert read(WORKERS="5").workers == 5


def test_namespaces_by_repetition_or_by_commas() -> None:
    assert read("--namespace=a", "--namespace=b").namespaces == ("a", "b")
    assert read(NAMESPACE="a, b,a").namespaces == ("a", "b")
    assert read(NAMESPACE="").namespaces == ()


def test_urls_by_repetition_or_by_commas() -> None:
    first, second = "https://a.example", "https://b.example/path"
    assert read(f"--allowed-urls={first}", f"--allowed-urls={second}").allowed_urls == (first, second)
    assert read(ALLOWED_URLS=f"{first}, {second}").allowed_urls == (first, second)
    with pytest.raises(SettingsError, match="--allowed-urls: takes URLs"):
        read("--allowed-urls=a.example")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("1h", 3600.0), ("60000ms", 60.0)]
)
def test_durations_are_seconds_with_or_without_a_unit(text: str, seconds: float) -> None:
    assert read(f"--late-commit-window={text}").late_commit_window == seconds


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((), True), (("--lease",), True), (("--lease=false",), False), (("--lease=0",), False), (("--lease=TRUE",), True)],
)
def test_switches(arguments: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001 # a parametrized value
    assert read(*arguments).lease is expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--workers=0",), "--workers: takes a whole number from 1 to 64, not '0'"),
        (("--workers=many",), "--workers: takes a whole number from 1 to 64, not 'many'"),
        (
            ("--request-timeout=1d",),
            "--request-timeout: takes a duration from 1s to 600s, such as 90, 90s, 1.5m or 1h, not '1d'",
        ),
        (
            ("--namespace=Team_A",),
            "--namespace: takes namespaces' names (lower-case letters, digits and '-'), not 'Team_A'",
        ),
        (("--lease=perhaps",), "--lease: takes true or false, not 'perhaps'"),
        (("--log-format=xml",), "--log-format: takes one of human, json, not 'xml'"),
        (("--initial-burst-fraction=nan",), "--initial-burst-fraction: takes a number from 0 to 1, not 'nan'"),
        (("--lease-duration=15.5",), "--lease-duration: takes whole seconds, not 15.5s; the Lease stores no fraction"),
        (
            ("--lease-renew-deadline=15",),
            (
                "--lease-renew-deadline: must be longer than --lease-retry-period (2s) and shorter than "
                "--lease-duration (15s), not 15s"
            ),
        ),
        (
            ("--stuck-after=60", "--request-timeout=30"),
            (
                "--stuck-after: must be more than twice --request-timeout (30s), not 60s; "
                "else one slow answer looks like a hang"
            ),
        ),
        (
            ("--metrics-port=9000", "--health-port=9000"),
            "--metrics-port: must differ from --health-port, not 9000 too; a network policy distinguishes them by port",
        ),
    ],
)
def test_invalid_value_gets_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(*arguments)
    assert str(caught.value) == sentence


def test_message_names_the_variable_if_that_was_used() -> None:
    with pytest.raises(SettingsError, match=r"^NETBIRD_STREAMING_WORKERS: takes a whole number"):
        read(WORKERS="x")


@given(name=st.sampled_from([each.name for each in fields(Settings)]), text=st.text(max_size=20))
def test_any_text_is_read_or_refused_with_one_line(name: str, text: str) -> None:
    arguments = parser().parse_args([])
    setattr(arguments, name, [text] if name == "namespaces" else text)
    try:
        settings = read_settings(arguments, {})
    except SettingsError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert type(getattr(settings, name)) is type(getattr(Settings(), name))
    assert "\n" not in sentence


def test_help_shows_each_flag_its_variable_its_default_and_a_reason() -> None:
    text = " ".join(parser().format_help().split())
    for each in fields(Settings):
        flag = "--namespace" if each.name == "namespaces" else f"--{each.name.replace('_', '-')}"
        assert f"{flag} " in text
        assert f"[NETBIRD_STREAMING_{flag[2:].replace('-', '_').upper()}]" in text
    assert text.count("Default: ") == len(fields(Settings))
    assert text.count("Takes ") == len(fields(Settings))
    assert "Default: 30s." in text


def test_misspelt_variables_are_distinguished_from_service_links() -> None:
    environment = {
        "NETBIRD_STREAMING_WORKERS": "8",
        "NETBIRD_STREAMING_WORKER": "8",
        "NETBIRD_STREAMING_OPERATOR_SERVICE_HOST": "10.0.0.7",
        "NETBIRD_STREAMING_OPERATOR_PORT_8081_TCP_ADDR": "10.0.0.7",
        "HOME": "/",
    }
    assert unknown_variables(environment) == ("NETBIRD_STREAMING_WORKER",)
