"""The files of a temporary control plane: keys, tokens, policies and kubeconfigs."""

import base64
import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.harness.certificates import AUTHORITY, KEY, certificate
from tests.harness.controlplane import audit

# RFC 5915, with the curve (prime256v1) and without the optional public key, which the reader computes.
EC_KEY_HEAD: Final = bytes.fromhex("30310201010420")
EC_KEY_TAIL: Final = bytes.fromhex("a00a06082a8648ce3d030107")
EC_SCALAR_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Files:
    """The folder of one control plane."""

    folder: Path
    admin_token: str
    manager_token: str

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the API server's."""
        return AUTHORITY

    @property
    def audit_log(self) -> Path:
        """A JSON object a line."""
        return self.folder / "audit.log"

    def log(self, component: str) -> Path:
        """The output of a component."""
        return self.folder / f"{component}.log"


def write(folder: Path) -> Files:
    """Write all files that the programs need at their start."""
    files = Files(folder, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    # Two users, both with every right, so that the audit log distinguishes the controllers from the tests.
    tokens = (
        f'{files.admin_token},admin,admin,"system:masters"\n'
        f'{files.manager_token},system:kube-controller-manager,manager,"system:masters"\n'
    )
    _private(folder / "tokens.csv", tokens)
    _private(folder / "service-account.key", _signing_key())
    (folder / "audit-policy.json").write_text(json.dumps(audit.POLICY))
    # The API server uses existing certificates. Neither this one nor its authority's has a key identifier, as on Amazon
    # EKS and MicroK8s.
    (folder / "certs").mkdir()
    shutil.copy(certificate("server"), folder / "certs" / "apiserver.crt")
    _private(folder / "certs" / "apiserver.key", KEY.read_text())
    return files


def write_kubeconfig(path: Path, url: str, authority: Path, user: tuple[str, str]) -> Path:
    """Write a kubeconfig (JSON, which is YAML) for a user's name and token, with the authority's certificate inside."""
    name, token = user
    trusted = base64.b64encode(authority.read_bytes()).decode()
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": url, "certificate-authority-data": trusted}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "local", "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    _private(path, json.dumps(content, indent=2))
    return path


def _signing_key() -> str:
    """Return a new P-256 key for ServiceAccount tokens as PEM. The standard library cannot generate one."""
    # Every value of 32 bytes is a valid scalar but for a probability of 2^-32.
    scalar = secrets.token_bytes(EC_SCALAR_BYTES)
    encoded = base64.b64encode(EC_KEY_HEAD + scalar + EC_KEY_TAIL).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{encoded[:64]}\n{encoded[64:]}\n-----END EC PRIVATE KEY-----\n"


def _private(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)
