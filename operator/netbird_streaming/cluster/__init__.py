"""The Kubernetes API: the only importer of `kubernetes` and aiohttp."""

from netbird_streaming.cluster.slim_import import import_submodules_only

# The one thing that happens at import, since it must come before each import of a part. The package would bring its
# synchronous client, with requests, urllib3 and oauthlib, and an API for dynamic kinds: 9 MiB that nothing here uses.
import_submodules_only("kubernetes", "kubernetes.aio")
