"""The image and the chart on a real node, as users install them; `make e2e` runs it."""
