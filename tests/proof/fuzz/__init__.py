"""Whatever comes from outside is read or refused in our own words: what parses is fuzzed, guided by coverage."""
