"""The settings: command line and environment."""
