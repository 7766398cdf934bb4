"""Write the list of docs/metrics.md from the list in the code: `make docs`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from netbird_streaming.telemetry.metrics.definitions import ALL, MetricDefinition

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"
BEGIN: Final = "<!-- metrics: written by `make docs` -->\n"
END: Final = "<!-- end of metrics -->\n"


def metrics_list(metrics: Iterable[MetricDefinition] = ALL) -> str:
    """Return the closed list of metrics as a Markdown list, in the order of its definition."""
    return "".join(f"- `{each.name}` ({each.type}{_labels(each)}): {each.meaning}\n" for each in metrics)


def with_metrics(page: str) -> str:
    """Return the page with the list between its two markers. Raises ValueError if a marker is missing."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{metrics_list()}\n{END}{after}"


def main() -> None:
    """Rewrite the page in place."""
    PAGE.write_text(with_metrics(PAGE.read_text()))


def _labels(metric: MetricDefinition) -> str:
    return f"; labels {', '.join(f'`{each}`' for each in metric.labels)}" if metric.labels else ""


if __name__ == "__main__":
    main()
