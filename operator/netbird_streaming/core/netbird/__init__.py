"""NetBird's side of the decision: types, payloads, comparison and digests."""
