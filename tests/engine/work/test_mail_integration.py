"""An integration for mail: whether its credential is accepted, by a real exchange with TLS."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.outgoing.conftest import certificate, serving

from interlock.addresses import Allowed
from interlock.engine.work.integrations import Integrations, NotAccepted
from interlock.outgoing.guarded import GuardedTransport
from interlock.secrets.integrations import Integration
from interlock.secrets.providers import Auth

__all__ = ["certificate"]

NAME = "secure.example"


@asynccontextmanager
async def mail_server(certificate: Path, *, is_tls: bool) -> AsyncIterator[int]:
    """A server that lets `ada` in with `the right password`, once the connection is encrypted."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_private = is_tls
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    writer.write(b"250-here\r\n" + (b"250 AUTH PLAIN\r\n" if is_private else b"250 STARTTLS\r\n"))
                case "STARTTLS":
                    writer.write(b"220 go on\r\n")
                    await writer.start_tls(serving(certificate))
                    is_private = True
                case "AUTH" if is_private:
                    told = b64decode(rest.split()[1]).decode().split("\0")
                    writer.write(b"235 in\r\n" if told == ["", "ada", "the right password"] else b"535 no\r\n")
                case _:
                    writer.write(b"502 no\r\n")
            await writer.drain()
        writer.close()

    tls = serving(certificate) if is_tls else None
    async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def resolve(_: str, __: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_who_may_log_in_is_accepted_over_tls_only_and_by_the_servers_name(
    certificate: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    integrations = Integrations(None, GuardedTransport(Allowed(["127.0.0.1"]), resolve=resolve))  # type: ignore[arg-type]

    async def check(port: int, password: str, host: str = NAME) -> None:
        credentials = {"username": "ada", "password": password}
        url = f"{scheme}://{host}:{port}"
        await integrations.check(Integration("m", "smtp", url, Auth(type="basic"), None, ("*",), credentials))

    async with mail_server(certificate, is_tls=scheme == "smtps") as port:
        await check(port, "the right password")
        with pytest.raises(NotAccepted, match="refuses the user or the password"):
            await check(port, "a wrong password")
        with pytest.raises(NotAccepted, match="isn't valid for its name"):
            await check(port, "the right password", "another.example")
