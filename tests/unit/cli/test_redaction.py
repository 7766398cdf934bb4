"""Names that a bundle replaces by hashes, and secrets that it removes."""

from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.cli.bundle import cleaned
from netbird_streaming.cli.redaction import KEPT, SHORTEST, NameRedaction
from netbird_streaming.cli.secret_filter import REDACTED, SecretFilter

KEY = bytes(32)


def test_hash_of_a_name_depends_only_on_the_key() -> None:
    redaction = NameRedaction(["team-a", "team-a-2"], KEY)
    first, second = redaction.clean("team-a/x team-a-2, team-a.").split("/x ")
    assert second.endswith(f", {first}.")
    assert "team" not in first + second
    assert first != NameRedaction(["team-a"], b"1" * 32).clean("team-a")


def test_parts_of_words_and_names_of_every_cluster_are_kept() -> None:
    redaction = NameRedaction(["ready", "default", "x", ""], KEY)
    assert redaction.clean("already default x") == "already default x"
    own = "netbird-streaming-operator integrations.netbird.io/v1alpha1 netbird_streaming.main"
    assert NameRedaction(["netbird", "integrations", "main"], KEY).clean(own).startswith(own[:-4])
    assert NameRedaction([], KEY).clean("anything") == "anything"


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


@given(st.lists(names, min_size=1, max_size=6), st.sampled_from(["{}", "ns/{}", '"{}"', "Secret {}, key", "{}."]))
def test_no_name_is_left_in_any_place(given_names: list[str], place: str) -> None:
    text = NameRedaction(given_names, KEY).clean(" ".join(place.format(name) for name in given_names))
    words = {word for part in text.split() for word in part.replace("/", " ").replace('"', " ").strip(".,").split()}
    assert words & ({name for name in given_names if len(name) >= SHORTEST} - {*KEPT} - {"ns", "key"}) == set()


def test_files_with_a_secret_are_counted_and_cleaned_before_they_are_redacted() -> None:
    secrets = SecretFilter()
    secrets.add("CANARY-value")
    files, removed = cleaned(
        {"pods/team.log": "the value CANARY-value of team", "a": "nothing"}, secrets, NameRedaction(["team"], KEY)
    )
    assert removed == 1
    (name,) = (each for each in files if each != "a")
    assert "CANARY" not in files[name]
    assert REDACTED in files[name]
    assert "team" not in name + files[name]
