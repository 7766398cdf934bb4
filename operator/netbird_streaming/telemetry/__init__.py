"""Logs, metrics, probes and memory of the process."""
