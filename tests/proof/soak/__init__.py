"""A long run of the operator's process under steady changes: nothing that it holds may grow."""
