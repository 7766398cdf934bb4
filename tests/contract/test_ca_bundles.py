"""Forms of CA bundles that people have: which ones are accepted, and that the others are named."""

import base64
import ssl
from typing import Final

import pytest

from netbird_streaming.errors import WaitError
from netbird_streaming.netbird.http_clients import EnvironmentHttpClients
from netbird_streaming.reasons import Reason
from tests.harness.certificates import AUTHORITY

PEM: Final = AUTHORITY.read_text()
FOLDER: Final = AUTHORITY.parent
KEY: Final = (FOLDER / "server.key").read_text()
DER: Final = ssl.PEM_cert_to_DER_cert(PEM[PEM.index("-----BEGIN") :])
ACCEPTED: Final = {
    "CRLF": PEM.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + PEM,
    "comments": f"# Zürich\n{PEM}\n# end",
    "no final newline": PEM.strip(),
    "spaces at the ends of lines": PEM.replace("\n", " \n"),
    "twice": PEM + PEM,
    "an expired one in front": (FOLDER / "expired.pem").read_text() + PEM,
    "a private key in front": KEY + PEM,
}
REJECTED: Final = {
    "empty": "",
    "a private key alone": KEY,
    "DER": DER.decode("latin-1"),
    "encoded DER": base64.b64encode(DER).decode(),
    "encoded PEM": base64.b64encode(PEM.encode()).decode(),
    "indented": PEM.replace("-----BEGIN", "  -----BEGIN"),
    "a broken one at the end": PEM + "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("form", ACCEPTED)
async def test_usual_form_of_a_bundle_is_accepted(form: str) -> None:
    await EnvironmentHttpClients({}).open(ACCEPTED[form], None).aclose()


@pytest.mark.parametrize("form", REJECTED)
async def test_other_form_of_a_bundle_is_named_without_its_text(form: str) -> None:
    with pytest.raises(WaitError, match=r"spec\.caBundleConfigMapRef.*not PEM certificates") as caught:
        EnvironmentHttpClients({}).open(REJECTED[form], None)
    assert caught.value.reason is Reason.CA_BUNDLE_INVALID
    assert "hunter2" not in caught.value.message
