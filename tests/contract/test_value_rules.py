"""docs/value-rules.md has a row for each rule, and the examples of the pages follow them."""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from netbird_streaming.core import values
from tests.contract.test_crds import nodes, schema_of
from tests.harness import pages
from tools.chart import ROOT
from tools.crds.definitions import DEFINITIONS

PAGE: Final = (ROOT / "docs" / "value-rules.md").read_text()
FIELDS, SECRETS = PAGE.split("## Values in Secrets")
ONE_FOR_ALL: Final = ("docs/platforms.md", "README.md", "docs/getting-started.md")
"""Pages whose examples are applied together. On docs/destinations.md a reader selects one."""


def ruled() -> set[str]:
    """Return the names of the fields of a spec that a rule checks."""
    found = set()
    for definition in DEFINITIONS:
        for path, schema in nodes(schema_of(definition)):
            for rule in schema.get("x-kubernetes-validations", ()) if path.startswith(".spec") else ():
                field = rule.get("fieldPath", "").removeprefix(".")
                found.add(field or path.rpartition(".")[2].removesuffix("[]"))
    return found


COVERED_BY: Final = {
    # The block of a platform.
    **dict.fromkeys(("datadog", "s3", "firehose", "genericHTTP"), "spec.<block>"),
    # One of two fields, in the row of the first.
    **dict.fromkeys(("urlSecretRef",), "`spec.datadog.apiURL`, `spec.genericHTTP.url`"),
    "valueFrom": "headers[].value",
    "key": "*Ref.key",
    "name": "*SecretRef.name",
    **dict.fromkeys(
        ("namespaces", "namespaceSelector", "matchLabels", "operator", "values", "access"), "`spec.access[]`"
    ),
}


def test_each_rule_of_a_field_has_a_row() -> None:
    rows = {field: COVERED_BY.get(field, field) for field in ruled()}
    assert [field for field, row in rows.items() if row not in FIELDS] == []


def test_each_rule_of_a_value_has_a_row() -> None:
    checks = [name for name in vars(values) if name.endswith("_fault") and not name.startswith("_")]
    # One more is for a URL, which has the rules of its field.
    rows = [line for line in SECRETS.splitlines() if line.startswith("- ")]
    assert len(rows) == len(checks) + 1


def integrations(page: str) -> Iterator[tuple[str, Any]]:
    for block in pages.blocks(page):
        texts = (
            [block.text]
            if block.language == pages.MANIFESTS
            else re.findall(r"<<'END'\n(.*?)END", block.text, re.DOTALL)
        )
        for text in texts:
            for document in yaml.safe_load_all(text):
                if isinstance(document, dict) and document.get("kind") == "EventStreamingIntegration":
                    yield text, document["spec"]


def examples() -> Iterator[tuple[str, Any]]:
    for path in sorted((ROOT / "examples").rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == "EventStreamingIntegration":
                yield path.read_text(), document["spec"]


@pytest.mark.parametrize("page", [*ONE_FOR_ALL, "examples"])
def test_one_example_is_enabled_and_each_other_says_why_not(page: str) -> None:
    """NetBird's dashboard allows one enabled integration per account."""
    found = list(examples() if page == "examples" else integrations(page))
    assert found
    assert sum(spec.get("enabled", True) for _, spec in found) <= 1
    for text, spec in found:
        if not spec.get("enabled", True):
            assert "dashboard allows one" in text


HOSTILE: Final = st.text(max_size=40) | st.sampled_from(
    ['"', "\\", "\n", "a+b", "{{ .ID }}", '","x":"', "\u2028", "\x00", "</script>", "%", "&#34;"]
)


def rendered(template: str, event: dict[str, str], *, escaped: bool) -> str:
    """Return the template as Go renders it: text/template unchanged, html/template with values escaped for HTML."""

    def value(found: re.Match[str]) -> str:
        name, pipeline = found[1], found[2]
        text = "1767225600000000000" if name == "Timestamp.UnixNano" else event[name]
        if pipeline == "urlquery":
            text = quote_plus(text, safe="")
        return html.escape(text).replace("+", "&#43;") if escaped else text

    return re.sub(r"\{\{ \.([\w.]+)(?: \| (\w+))? \}\}", value, template)


def templates() -> list[str]:
    demo = yaml.safe_load_all((ROOT / "demo" / "manifests" / "integrations.yaml").read_text())
    specs = [
        *(spec for page in pages.pages() for _, spec in integrations(page)),
        *(spec for _, spec in examples()),
        *(each["spec"] for each in demo),
    ]
    found = {each["genericHTTP"]["bodyTemplate"] for each in specs if "bodyTemplate" in each.get("genericHTTP", {})}
    described = dict(nodes(schema_of(DEFINITIONS[0])))[".spec.genericHTTP.bodyTemplate"]["description"]
    return sorted({*found, described.partition("Example: ")[2].removesuffix(".")})


@pytest.mark.parametrize("template", templates())
@pytest.mark.parametrize("escaped", [False, True], ids=["text/template", "html/template"])
@given(message=HOSTILE)
def test_every_documented_template_survives_every_message(template: str, escaped: object, message: str) -> None:
    event = {"ID": "1", "Message": message, "InitiatorID": "u", "TargetID": "p"}
    body = json.loads(rendered(template, event, escaped=bool(escaped)))
    assert unquote_plus(body["event"].replace("&#43;", "+"), errors="surrogatepass") == message


ENGINE: Final = """package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
	"time"
)

type given struct{ Template string; Events []map[string]string }

func main() {
	var read given
	if err := json.NewDecoder(os.Stdin).Decode(&read); err != nil { panic(err) }
	parsed := template.Must(template.New("body").Parse(read.Template))
	bodies := []string{}
	for _, event := range read.Events {
		values := map[string]any{"Timestamp": time.Unix(1767225600, 0)}
		for name, text := range event { values[name] = text }
		var body strings.Builder
		if err := parsed.Execute(&body, values); err != nil { panic(err) }
		bodies = append(bodies, body.String())
	}
	if err := json.NewEncoder(os.Stdout).Encode(bodies); err != nil { panic(err) }
}
"""
"""Go's own engine."""


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go: the tests above use a double of its engine")
@pytest.mark.parametrize("escaped", [False, True], ids=["text/template", "html/template"])
def test_double_renders_as_go_does(escaped: object, tmp_path: Path) -> None:
    source = ENGINE.replace('"text/template"', '"html/template"') if escaped else ENGINE
    (tmp_path / "main.go").write_text(source)
    messages = [
        '"quoted"',
        "back\\slash",
        "new\nline",
        "a+b",
        "{{ .ID }}",
        "</script>",
        "ünïcode",
        "100 %",
        "&#34;",
        "'",
    ]
    events = [{"ID": "1", "Message": each, "InitiatorID": "u", "TargetID": "p"} for each in messages]
    environment = {**os.environ, "GOFLAGS": "", "GO111MODULE": "off", "GOTOOLCHAIN": "local"}
    subprocess.run(["go", "build", "-o", "engine", "main.go"], cwd=tmp_path, env=environment, check=True)
    for template in templates():
        given = json.dumps({"Template": template, "Events": events})
        done = subprocess.run([tmp_path / "engine"], input=given, check=True, capture_output=True, text=True)
        assert json.loads(done.stdout) == [rendered(template, each, escaped=bool(escaped)) for each in events]


def test_template_with_the_message_itself_does_not() -> None:
    with pytest.raises(ValueError, match="Invalid"):
        json.loads(rendered('{"event": "{{ .Message }}"}', {"Message": "a\\q"}, escaped=True))
