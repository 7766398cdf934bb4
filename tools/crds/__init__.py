"""The generator of the CRDs in `crds/`."""
