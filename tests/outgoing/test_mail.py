"""E-mail to a real mail server: with TLS as its URL says, to checked addresses, with nothing foreign in its headers."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.support.foreign import foreign
from tests.support.live import eventually
from tests.support.mail import NAME, PASSWORD, USER, certificate_in, mail_server

from interlock.addresses import Allowed
from interlock.outgoing import notifier as notifiers
from interlock.outgoing.channels import Channel, channels_in
from interlock.outgoing.letters import Letter, NotSent
from interlock.outgoing.mail import MailServer, message_of
from interlock.outgoing.notifier import Notifier

LETTER = Letter(
    key="run-1 r-1",
    subject="Größe „ß“: release waits for you",
    text="Deploy?\n\n.\nOpen it: https://desk.example.com/#/runs/a/b\n",
    html='<p>Deploy? <a href="https://desk.example.com/#/runs/a/b">Open it</a></p>',
    link="https://desk.example.com/#/runs/a/b",
    chat_subject="",
    chat_text="",
)
ADA = "ada@example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls"))


async def here(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def mailer(certificate: Path | None = None, *allowed: str) -> Notifier:
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate is not None:
        trusted.load_verify_locations(certificate)
    return Notifier(Allowed(allowed or ("127.0.0.1",)), resolve=here, ssl_context=trusted)


def channel(port: int, mode: str, host: str = NAME, password: str = PASSWORD) -> Channel:
    url = f"mailtos://{USER}:{quote(password, safe='')}@{host}:{port}?mode={mode}"
    url += "&from=robot@example.org&name=The%20Robot&reply=desk@example.org&to={address}"
    return channels_in(json.dumps({"mail": url}))["mail"]


async def test_a_letter_comes_in_two_parts_over_starttls_and_tls_and_signed_in(certificate: Path) -> None:
    for mode in ("starttls", "ssl"):
        async with mail_server(certificate, is_encrypted_at_once=mode == "ssl") as mails:
            for address in (ADA, "x'y+z@example.com"):
                await mailer(certificate).send(channel(mails.port, mode), address, LETTER)
            first, second = mails.messages
            assert [each.rcpt_tos for each in mails.envelopes] == [[ADA], ["x'y+z@example.com"]]
            assert {each.mail_from for each in mails.envelopes} == {"robot@example.org"}
        assert (first["Subject"], first["To"]) == (LETTER.subject, ADA)
        assert first["From"] == "The Robot <robot@example.org>"
        assert first["Reply-To"] == "desk@example.org"
        assert first["Auto-Submitted"] == "auto-generated"
        assert first["Message-ID"] != second["Message-ID"]
        parts = {part.get_content_type(): part.get_content() for part in first.iter_parts()}
        assert [*parts] == ["text/plain", "text/html"]
        assert parts["text/plain"].replace("\r\n", "\n") == LETTER.text
        assert parts["text/html"].strip() == LETTER.html


async def test_the_same_letter_to_the_same_person_has_the_same_id() -> None:
    server = MailServer(host="h", port=25, security="insecure", sender=("", "robot@example.org"))
    ids = [
        message_of(letter, server, to)["Message-ID"] for letter in (LETTER, replace(LETTER, key="k")) for to in (ADA,)
    ]
    assert ids[0] == message_of(LETTER, server, ADA)["Message-ID"]
    assert len({*ids, message_of(LETTER, server, "b@example.com")["Message-ID"]}) == 3


@pytest.mark.parametrize("subject", ["a\r\nBcc: x@example.com", "a\nb", "a\r b"])
def test_a_header_with_a_line_break_is_refused(subject: str) -> None:
    server = MailServer(host="h", port=25, security="insecure", sender=("", "robot@example.org"))
    with pytest.raises(NotSent, match="header"):
        message_of(replace(LETTER, subject=subject), server, ADA)
    with pytest.raises(NotSent, match="header"):
        message_of(LETTER, server, f"{ADA}\r\nBcc: x@example.com")


async def test_without_tls_that_the_url_asks_for_nothing_is_said(certificate: Path) -> None:
    async with mail_server() as plain:
        with pytest.raises(NotSent, match="STARTTLS"):
            await mailer(certificate).send(channel(plain.port, "starttls"), ADA, LETTER)
        with pytest.raises(NotSent):
            await mailer(certificate).send(channel(plain.port, "ssl"), ADA, LETTER)
        assert plain.envelopes == []


async def test_why_nothing_was_taken_is_told_without_what_was_received(certificate: Path) -> None:
    async with mail_server(certificate) as mails:
        for sending, about in (
            (mailer().send(channel(mails.port, "starttls"), ADA, LETTER), "certificate"),
            (mailer(certificate).send(channel(mails.port, "starttls", "other.example"), ADA, LETTER), "certificate"),
            (mailer(certificate).send(channel(mails.port, "starttls", password="x"), ADA, LETTER), "password"),
            (mailer(certificate, "10.0.0.1").send(channel(mails.port, "starttls"), ADA, LETTER), "NOTIFIERS_ALLOW"),
        ):
            with pytest.raises(NotSent, match=about):
                await sending
        mails.refuses = "550 no such user here: secret"
        with pytest.raises(NotSent, match="refuses the address") as refused:
            await mailer(certificate).send(channel(mails.port, "starttls"), ADA, LETTER)
        assert "secret" not in str(refused.value)
        port = mails.port
    with pytest.raises(NotSent, match="can't be reached"):
        await mailer(certificate).send(channel(port, "starttls"), ADA, LETTER)


async def test_a_server_that_never_answers_is_left_at_the_deadline_and_so_is_its_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def drips(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-wait\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    before = threading.active_count()
    monkeypatch.setattr(notifiers, "DEADLINE", 0.2)
    async with foreign(drips) as server:
        with pytest.raises(NotSent, match="too long"):
            await mailer().send(channel(server.port, "insecure"), ADA, LETTER)
        await eventually(lambda: threading.active_count() <= before + 1)
