"""Flux's judgement by the expressions of `deploy/flux/`; source: fluxcd/pkg, runtime/cel/status_evaluator.go."""

from pathlib import Path
from typing import Any, Final

import cel
import yaml

from tests.harness.gitops.kstatus import Result, is_observed
from tools.chart import ROOT

FILE: Final = ROOT / "deploy" / "flux" / "health-checks.yaml"
_ORDER: Final = (("inProgress", Result.IN_PROGRESS), ("failed", Result.FAILED), ("current", Result.CURRENT))


def expressions(file: Path = FILE) -> list[dict[str, str]]:
    """Return the entries of `healthCheckExprs`."""
    found: list[dict[str, str]] = yaml.safe_load(file.read_text())["spec"]["healthCheckExprs"]
    return found


def compute(resource: dict[str, Any], checks: list[dict[str, str]]) -> Result:
    """Judge a resource by the entry for its kind. An expression that can't be evaluated raises."""
    names = (resource["apiVersion"], resource["kind"])
    (check,) = (each for each in checks if (each["apiVersion"], each["kind"]) == names)
    if not is_observed(resource):
        return Result.IN_PROGRESS
    for name, result in _ORDER:
        if name in check and cel.evaluate(check[name], resource) is True:
            return result
    return Result.IN_PROGRESS
