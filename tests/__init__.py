"""Everything that holds the operator to its promises."""
