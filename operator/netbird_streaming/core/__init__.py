"""The pure core: values and decisions, without I/O, clocks or randomness."""
