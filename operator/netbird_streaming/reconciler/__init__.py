"""The shell: watches what the pure core decides about, acts, and reports. It knows the outside only by its ports."""
