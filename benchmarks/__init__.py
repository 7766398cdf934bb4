"""Benchmarks of speed and size, as ratios within one run. They give figures and are no tests."""
