"""What tests of several kinds share: simulated counterparts and the tools around them."""
