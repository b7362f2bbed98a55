"""Mail to a real SMTP server on loopback, with STARTTLS and a login."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from alerting import found
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lightloop.errors import LightloopError, UsageError
from lightloop.monitoring.alerts.mail import Mail
from lightloop.monitoring.alerts.message import message_of

PASSWORD = "s3cr3t-word"


class Letters:
    def __init__(self) -> None:
        self.letters: list = []

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.letters.append(
            (session.ssl is not None, envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default))
        )
        return "250 OK"


class Secure(Controller):
    """A server that takes nothing without STARTTLS and a login."""

    def __init__(self, handler: Letters, context: ssl.SSLContext) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=0)
        self.context = context

    def factory(self) -> SMTP:
        def login(server, session, envelope, mechanism, data):
            right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
            return AuthResult(success=right, handled=right)

        return SMTP(
            self.handler,
            hostname="127.0.0.1",
            tls_context=self.context,
            require_starttls=True,
            auth_required=True,
            authenticator=login,
        )

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # what the system chose
        super()._trigger_server()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("smtp") / "both.pem"
    words = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(words + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[Secure]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    controller = Secure(Letters(), context)
    controller.start()
    yield controller
    controller.stop()


def given(server: Secure, **more: str) -> dict[str, str]:
    return {
        "LIGHTLOOP_SMTP_HOST": "127.0.0.1",
        "LIGHTLOOP_SMTP_PORT": str(server.port),
        "LIGHTLOOP_SMTP_USER": "robot@example.org",
        "LIGHTLOOP_SMTP_PASSWORD": PASSWORD,
        "LIGHTLOOP_ALERT_EMAIL": "ann@example.org, bob@example.org",
    } | {f"LIGHTLOOP_{name}": value for name, value in more.items()}


MESSAGE = message_of(found("retrain", "obrat", "größe"), "reports/monitoring.html")


def test_it_travels_encrypted_to_all_of_them(server: Secure, certificate: Path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert Mail(given(server), 5.0).tell(MESSAGE) == "sent"
    [(encrypted, to, letter)] = server.handler.letters
    assert encrypted
    assert to == ["ann@example.org", "bob@example.org"]
    assert letter["From"] == "robot@example.org"
    assert letter["Subject"] == "loans v0.2.0: feature drift (obrat, größe); the model is to be trained again"
    assert "- größe differs from training (0.31 over 0.05)" in letter.get_content()
    assert letter.get_content().rstrip().endswith("Monitoring page: reports/monitoring.html")


def test_a_certificate_that_nobody_vouches_for_is_refused(server: Secure):
    with pytest.raises(LightloopError, match="shows a certificate that can't be trusted"):
        Mail(given(server), 5.0).tell(MESSAGE)
    assert server.handler.letters == []


def test_a_wrong_password_and_unknown_people_are_sentences(server: Secure, certificate: Path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(LightloopError, match="does not take the user and password: correct LIGHTLOOP_SMTP_USER"):
        Mail(given(server, SMTP_PASSWORD="wrong"), 5.0).tell(MESSAGE)
    with pytest.raises(LightloopError, match=r"takes no mail for nobody@example.org: correct LIGHTLOOP_ALERT_EMAIL"):
        Mail(given(server, ALERT_EMAIL="nobody@example.org"), 5.0).tell(MESSAGE)
    with pytest.raises(LightloopError, match=r"takes no mail for nobody@example.org$"):
        Mail(given(server, ALERT_EMAIL="ann@example.org,nobody@example.org"), 5.0).tell(MESSAGE)
    assert len(server.handler.letters) == 1


def test_a_server_that_asks_for_encryption_gets_nothing_in_the_clear(server: Secure):
    with pytest.raises(LightloopError, match=r"gives no answer, or not the right one|does not offer"):
        Mail(given(server, SMTP_SECURITY="none"), 5.0).tell(MESSAGE)
    assert server.handler.letters == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SMTP_SECURITY", "ssl", "LIGHTLOOP_SMTP_SECURITY is 'ssl': it must be starttls, tls, none"),
        ("SMTP_PORT", "70000", "LIGHTLOOP_SMTP_PORT is '70000': expected a number from 1 to 65535"),
        ("SMTP_PORT", "smtp", "expected a number"),
    ],
)
def test_a_variable_that_holds_what_it_cannot(server: Secure, name: str, value: str, said: str):
    with pytest.raises(UsageError, match=said):
        Mail(given(server, **{name: value}), 5.0)


def test_a_password_never_travels_in_the_clear(server: Secure):
    with pytest.raises(UsageError, match="the password would travel in the clear"):
        Mail(given(server, SMTP_SECURITY="none", SMTP_HOST="mail.example.org"), 5.0)
