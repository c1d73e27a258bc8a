"""A mail server of a test: a real one on loopback, which keeps what it is given; and a certificate for it."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "mail.example"
USER, PASSWORD = "robot", "p@ss/word"


@dataclass
class Mails:
    """A server that is up.

    Attributes:
        port: on 127.0.0.1.
        refuses: the answer to every recipient, if they are refused.
        unknown: the addresses that are refused.
    """

    port: int = 0
    refuses: str | None = None
    unknown: frozenset[str] = frozenset()
    envelopes: list[Envelope] = field(default_factory=list)

    async def handle_RCPT(self, _: Any, __: Any, envelope: Envelope, address: str, options: list[str]) -> str:
        if self.refuses is not None:
            return self.refuses
        if address in self.unknown:
            return "550 nobody here is called so"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        """What came, read."""
        found = [message_from_bytes(each.content, policy=default) for each in self.envelopes]  # type: ignore[arg-type]
        return [each for each in found if isinstance(each, EmailMessage)]

    def to(self, address: str) -> list[EmailMessage]:
        """What came for somebody."""
        return [each for each in self.messages if each["To"] == address]


@asynccontextmanager
async def mail_server(certificate: Path | None = None, *, is_encrypted_at_once: bool = False) -> AsyncIterator[Mails]:
    """A mail server; with a certificate it wants TLS, and the user and the password."""
    mails = Mails()
    options: dict[str, Any] = {"hostname": NAME}
    context: ssl.SSLContext | None = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        options |= {"auth_required": True, "authenticator": _is_known, "auth_require_tls": not is_encrypted_at_once}
        options |= {} if is_encrypted_at_once else {"tls_context": context, "require_starttls": True}
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where all is encrypted at once, it doesn't know of it
            return SMTP(mails, loop=loop, **options)

    at_once = context if is_encrypted_at_once else None
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=at_once)
    mails.port = server.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        server.close()
        await asyncio.sleep(0)  # transports are closed in a turn of their own


def _is_known(_: Any, __: Any, ___: Any, ____: Any, given: Any) -> AuthResult:
    return AuthResult(success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def certificate_in(folder: Path, name: str = NAME) -> Path:
    """A certificate, which signs itself, and its key, in a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(named, named, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file
