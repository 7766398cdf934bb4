"""Fuzzing of all parsers of external data, guided by coverage. Data are parsed or refused with a defined error."""
