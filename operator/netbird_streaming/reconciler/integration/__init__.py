"""The reconcile of an `EventStreamingIntegration`."""
