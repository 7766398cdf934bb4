"""The image and the chart on a real node, as their users meet them; `make e2e` runs it."""
