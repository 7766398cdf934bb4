"""The folders for Argo CD's repository pass the tests that Argo CD runs on its own folders."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.harness.gitops import argocd_tests, customizations


@pytest.mark.timeout(600)
def test_folders_pass_argo_cds_own_tests_and_a_wrong_expectation_fails(tmp_path: Path) -> None:
    folders = Path(shutil.copytree(customizations.FOLDER, tmp_path / "folders"))
    wrong = folders / "integrations.netbird.io" / "NetBirdConnection" / "health_test.yaml"
    cases = yaml.safe_load(wrong.read_text())
    cases["tests"][0]["healthStatus"]["status"] = "Healthy"
    wrong.write_text(yaml.safe_dump(cases))
    results = argocd_tests.run(folders, tmp_path)
    files = customizations.files()
    health = [yaml.safe_load(text) for name, text in files.items() if name.endswith("/health_test.yaml")]
    actions = [yaml.safe_load(text) for name, text in files.items() if name.endswith("/action_test.yaml")]
    expected = sum(len(each["tests"]) for each in health)
    expected += sum(len(each["discoveryTests"]) + len(each["actionTests"]) for each in actions)
    assert len(results) == expected
    failed = {name for name, passed in results.items() if not passed}
    assert failed == {f"TestLuaHealthScript/integrations.netbird.io/NetBirdConnection/{cases['tests'][0]['inputPath']}"}
