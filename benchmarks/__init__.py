"""Speed and size, as ratios in one run: figures to read, never a test."""
