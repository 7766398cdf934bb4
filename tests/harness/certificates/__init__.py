"""Certificates of private authorities, made by `make.sh`, for servers on loopback and `netbird.example.com`."""

import ssl
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
KEY: Final = FOLDER / "server.key"
"""The key of all servers' certificates."""
AUTHORITY: Final = FOLDER / "authority.pem"
NEXT_AUTHORITY: Final = FOLDER / "next-authority.pem"


def certificate(name: str) -> Path:
    """Return the file of a server's certificate: `server`, `next-server`, `expired`, `not-yet-valid`, `other-host`."""
    return FOLDER / f"{name}.pem"


def serving(name: str) -> ssl.SSLContext:
    """Return the context of a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(name), KEY)
    return context


def trusting(authorities: str) -> ssl.SSLContext:
    """Return the context of a test's client, which accepts certificates without key identifiers as Go does."""
    context = ssl.create_default_context(cadata=authorities)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
