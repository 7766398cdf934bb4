"""TLS towards the API server and NetBird: the only module that creates an SSL context.

Python 3.13 added `VERIFY_X509_STRICT` to its default context. The flag rejects certificates without key identifiers.
Amazon EKS, MicroK8s and many private authorities issue such certificates, and Go and curl accept them. The chain, the
validity dates and the host name are verified in every case.
"""

import os
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress


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


def file_version(path: str | None) -> object:
    """Return a value that differs after the file was replaced or changed; None if there is no such file."""
    if not path:
        return None
    try:
        found = os.stat(path)  # noqa: PTH116  # before each request; a Path costs more than the system call
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


class FileContext:
    """Context that is made from files, and reads them again after they were replaced.

    The context stays the same object, so new connections of all clients that use it trust the new authorities. An
    authority that the file no longer holds is trusted until the process ends.

    Args:
        load: Loads the files into a context; a context of its own if there is none yet.
        files: The files. Missing ones are allowed.

    Raises:
        OSError: A file can't be read.
    """

    def __init__(self, load: Callable[[ssl.SSLContext | None], ssl.SSLContext], files: Sequence[str | None]) -> None:
        self._load = load
        self._files = files
        self._version = self._current_version()
        self.context = load(None)

    def refresh(self) -> ssl.SSLContext:
        """Return the context. Files that can't be read are ignored until they are replaced again."""
        version = self._current_version()
        if version != self._version:
            self._version = version
            with suppress(OSError):
                self._load(self.context)
        return self.context

    def _current_version(self) -> object:
        return [file_version(path) for path in self._files]
