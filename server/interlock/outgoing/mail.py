"""E-mail: a message is handed to a mail server, or only a password is tried, over a connection that was checked.

Laws:
- The address that is checked is the address that is connected to, as in `guarded.py`; TLS is still about the name.
- Where the URL says TLS, nothing is sent without it: no password, and no message.
- No header has what isn't its own: a line break in one is refused by the library that writes it.
- A mail server that is slow, or never answers, holds a thread up to the deadline, and nothing else.
- The same notice to the same person has the same `Message-ID`, also when it is sent again.

Source: RFC 3207, 3834, 5321, 5322.
"""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any, Final, Literal

import httpx

from interlock.addresses import Address
from interlock.aio.threads import in_thread
from interlock.outgoing.guarded import CONNECT_SECONDS, Guard
from interlock.outgoing.letters import Letter, NotSent

Security = Literal["insecure", "ssl", "starttls"]

SECONDS: Final = 15.0
"""How long a mail server may take for each of its answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A mail server, and who writes.

    Args:
        sender: the name, and the address; nobody where nothing is sent.
        reply_to: addresses for answers.
    """

    host: str
    port: int
    security: Security
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    sender: tuple[str, str] = ("", "")
    reply_to: tuple[str, ...] = ()


def message_of(letter: Letter, server: MailServer, to: str) -> EmailMessage:
    """Return a letter as a message with two parts, plain text and HTML.

    Raises:
        NotSent: a header can't be written.
    """
    message = headed(letter.subject, server, [to], key=f"{letter.key} {to}")
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def headed(subject: str, server: MailServer, to: Sequence[str], *, key: str, cc: Sequence[str] = ()) -> EmailMessage:
    """Return a message that has its headers, and no text yet.

    Args:
        key: what its `Message-ID` is made of: the same when it is sent again.

    Raises:
        NotSent: a header can't be written.
    """
    message = EmailMessage(policy=SMTP)
    name, address = server.sender
    domain = address.rpartition("@")[2]
    try:
        message["Subject"] = subject
        message["From"] = Mailbox(name, addr_spec=address)
        for header, addresses in (("To", to), ("Cc", cc), ("Reply-To", server.reply_to)):
            if addresses:
                message[header] = [Mailbox(addr_spec=each) for each in addresses]
    except (ValueError, IndexError):  # also what the library finds wrong with an address
        raise NotSent("the subject or an address can't be written as a header") from None
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    return message


async def send_mail(
    guard: Guard, server: MailServer, message: EmailMessage, to: Sequence[str], trusted: ssl.SSLContext | None = None
) -> Sequence[str]:
    """Hand a message to a mail server, and return the addresses that it doesn't take, if it takes others. Cancelling it
    ends the connection.

    Args:
        trusted: what certificates are trusted; by default the public authorities, or `SSL_CERT_FILE`.

    Raises:
        NotSent: the server can't be reached, or doesn't take it.
        Forbidden, httpx.ConnectError: its host may not be reached, or isn't found.
    """
    refused: list[str] = []

    def deliver(smtp: smtplib.SMTP) -> None:
        refused.extend(smtp.send_message(message, server.sender[1], list(to)))
        with contextlib.suppress(OSError, smtplib.SMTPException):
            smtp.quit()

    await _talk(guard, server, deliver, trusted)
    return refused


async def check_login(guard: Guard, server: MailServer) -> None:
    """Sign in to a mail server, and send nothing. Cancelling it ends the connection.

    Raises:
        NotSent, Forbidden, httpx.ConnectError: as `send_mail`.
    """
    await _talk(guard, server, lambda _: None)


async def _talk(
    guard: Guard, server: MailServer, say: Callable[[smtplib.SMTP], None], trusted: ssl.SSLContext | None = None
) -> None:
    """Say something to a mail server, signed in, in a thread."""
    addresses = await guard.addresses(server.host, server.port)
    context = None if server.security == "insecure" else trusted or httpx.create_ssl_context()
    line = _Line()
    try:
        await in_thread(lambda _: _signed_in(line, addresses, server, context, say), None)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotSent(_sentence(error)) from error
    finally:
        line.cut()


class _Line:
    """A connection that another thread may cut, whatever is wrapped around it."""

    def __init__(self) -> None:
        self._end: socket.socket | None = None
        self._is_cut = False

    def hold(self, connection: socket.socket) -> None:
        """Keep an end of a connection."""
        self._end = connection.dup()
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """End the connection: whoever waits for it reads its end."""
        self._is_cut = True
        end, self._end = self._end, None
        if end is not None:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _signed_in(
    line: _Line,
    addresses: Sequence[Address],
    server: MailServer,
    context: ssl.SSLContext | None,
    say: Callable[[smtplib.SMTP], None],
) -> None:
    connection = _connected(addresses, server.port)
    line.hold(connection)
    with contextlib.closing(_Smtp(connection, server, context)) as smtp:
        if server.security == "starttls":
            smtp.starttls(context=context)
        if server.user and server.password:
            smtp.login(server.user, server.password)
        say(smtp)


def _connected(addresses: Sequence[Address], port: int) -> socket.socket:
    *others, last = addresses
    for address in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((str(address), port), timeout=CONNECT_SECONDS)
    return socket.create_connection((str(last), port), timeout=SECONDS)


class _Smtp(smtplib.SMTP):
    """Speaks on a connection that is there already."""

    def __init__(self, connection: socket.socket, server: MailServer, context: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._first = context if server.security == "ssl" else None
        own_name = (
            server.sender[1].rpartition("@")[2] or "localhost"
        )  # not this machine's, which a look-up would have to find
        super().__init__(server.host, server.port, local_hostname=own_name, timeout=SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # the library's way to give it one
        self._connection.settimeout(timeout)
        if self._first is None:
            return self._connection
        return self._first.wrap_socket(self._connection, server_hostname=host)


def _sentence(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "the mail server refuses the user or the password"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the mail server refuses the address"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the mail server has no STARTTLS, or no way to sign in"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the mail server's certificate isn't valid for its name, or isn't trusted"
    if isinstance(error, TimeoutError):
        return "the mail server took too long"
    return "the mail server can't be reached, or broke off"


def server_in(plugin: Any) -> tuple[MailServer, list[str]]:
    """Return the mail server that the library read from a URL, and to whom it writes."""
    name, address = plugin.from_addr
    server = MailServer(
        host=plugin.smtp_host,
        port=plugin.port,
        security=plugin.secure_mode,
        user=plugin.user,
        password=plugin.password,
        sender=(str(name or ""), address),
        reply_to=tuple(sorted(plugin.reply_to)),
    )
    return server, [each for _, each in plugin.targets]
