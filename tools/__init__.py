"""Programs that write files: CRDs, manifests, pages and the image."""
