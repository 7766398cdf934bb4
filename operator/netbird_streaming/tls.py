"""TLS towards the API server and NetBird: the only module that creates an SSL context.

Python 3.13 added `VERIFY_X509_STRICT` to its default context. The flag rejects certificates without key identifiers.
Amazon EKS, MicroK8s and many private authorities issue such certificates, and Go and curl accept them. The chain, the
validity dates and the host name are verified in every case.
"""

import ssl


def client_context(
    *, ca_file: str | None = None, ca_directory: str | None = None, ca_data: str | bytes | None = None
) -> ssl.SSLContext:
    """Return a context that verifies servers, with the same rules on each version of Python.

    Args:
        ca_file: A file of PEM certificates to trust.
        ca_directory: A folder of hashed certificates to trust.
        ca_data: PEM certificates to trust. Without any of the three, OpenSSL's default certificates are trusted.

    Raises:
        OSError: A file can't be read, or holds no certificate (`ssl.SSLError`).
    """
    context = ssl.create_default_context(cafile=ca_file, capath=ca_directory, cadata=ca_data)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # The other flag that Python 3.13 added: a trusted intermediate certificate is enough, as for Go.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def disable_verification(context: ssl.SSLContext) -> None:
    """Accept any certificate, which a kubeconfig can ask for (`insecure-skip-tls-verify`)."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
