"""The built-in types that tell somebody something: a real mail server, and providers that are faked on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.foreign import Answer, Received, foreign, http
from tests.support.foreign import json as json_answer
from tests.support.mail import NAME, PASSWORD, USER, certificate_in, mail_server
from tests.tasks.running import TOKEN, service, tasks

from interlock.secrets.integrations import Integration
from interlock.secrets.providers import Auth


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls"))


def mailbox(port: int, password: str = PASSWORD, scheme: str = "smtp") -> Integration:
    credentials = {"username": USER, "password": password}
    return service("post", "smtp", f"{scheme}://{NAME}:{port}", auth=Auth(type="basic"), credentials=credentials)


MAIL: dict[str, Any] = {
    "to": ["ada@example.com", "bob@example.com"],
    "cc": "carol@example.com, ada@example.com",
    "subject": "Order ${input.id}",
    "text": "Paid: ${input.amount}\n",
    "html": "<p>Paid: ${input.amount}</p>",
    "sender": "shop@example.org",
    "reply_to": "desk@example.org",
}


async def test_an_e_mail_is_sent_by_the_integrations_server_and_is_the_same_at_every_try(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for scheme in ("smtp", "smtps"):
        async with mail_server(certificate, is_encrypted_at_once=scheme == "smtps") as mails:
            async with tasks(mailbox(mails.port, scheme=scheme)) as running:
                run_input: Any = {"id": "A-7", "amount": "${secrets.KEY}"}
                first = await running.value("email", MAIL, run_input, integration="post")
                again = await running.value("email", MAIL, run_input, integration="post", attempt=2)
                other = await running.value("email", MAIL, run_input, integration="post", idempotency_key="run-1:A:2")
            message = mails.messages[0]
            assert mails.envelopes[0].rcpt_tos == ["ada@example.com", "bob@example.com", "carol@example.com"]
        assert first == again
        assert first["message_id"] == message["Message-ID"] != other["message_id"]
        assert first["to"] == ["ada@example.com", "bob@example.com", "carol@example.com"]
        assert message["Subject"] == "Order A-7"
        assert message["From"] == "shop@example.org"
        assert message["To"] == "ada@example.com, bob@example.com"
        assert message["Cc"] == "carol@example.com"  # who gets it anyway is named once
        assert message["Reply-To"] == "desk@example.org"
        parts = {part.get_content_type(): part.get_content().strip() for part in message.iter_parts()}
        assert parts == {"text/plain": "Paid: ${secrets.KEY}", "text/html": "<p>Paid: ${secrets.KEY}</p>"}


async def test_an_e_mail_that_is_not_taken_is_a_failure_that_tells_no_password(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with mail_server(certificate) as mails:
        async with tasks(mailbox(mails.port, "the wrong password")) as running:
            failed = await running.failure("email", MAIL, {}, integration="post")
            assert "the wrong password" in running.learnt
        async with tasks(mailbox(mails.port)) as running:
            header = await running.failure(
                "email", {**MAIL, "subject": "a\r\nBcc: eve@example.com"}, integration="post"
            )
            nobody = await running.failure("email", {**MAIL, "to": " , ", "cc": []}, integration="post")
            unsaid = await running.failure("email", {**MAIL, "sender": None}, integration="post")
        async with tasks(mailbox(mails.port), allowed=("10.0.0.1",)) as running:
            inner = await running.failure("email", MAIL, {}, integration="post")
        assert mails.messages == []
    assert (failed.code, failed.may_retry) == ("mail_error", True)
    assert "the wrong password" not in str(failed)
    assert (header.code, header.may_retry) == ("invalid_input", False)
    assert (nobody.code, nobody.may_retry) == ("invalid_input", False)
    assert (unsaid.code, unsaid.may_retry) == ("invalid_input", False)
    assert "INTERLOCK_HTTP_ALLOW" in str(inner)


async def test_an_e_mail_goes_to_those_who_are_known_and_says_who_is_not(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with mail_server(certificate) as mails, tasks(mailbox(mails.port)) as running:
        mails.unknown = frozenset({"bob@example.com"})
        some = await running.value("email", MAIL, {}, integration="post")
        none = await running.failure("email", {**MAIL, "to": "bob@example.com", "cc": []}, integration="post")
        assert len(mails.messages) == 1
    assert some["to"] == ["ada@example.com", "carol@example.com"]
    assert some["refused"] == ["bob@example.com"]
    assert none.code == "mail_error"


async def posted(
    task: str, provider: str, answer: Answer | Mapping[str, Answer], inputs: dict[str, Any], run_input: Any = None
) -> tuple[Any, Any]:
    """What comes of a post, and what was sent."""
    async with foreign(answer) as server:
        async with tasks(service("them", provider, f"http://127.0.0.1:{server.port}/api")) as running:
            value = await running.value(task, inputs, run_input, integration="them")
        return value, server.last


async def test_a_slack_message_is_posted_as_slack_has_it() -> None:
    answer = json_answer('{"ok": true, "channel": "C1", "ts": "17.5", "message": {}}')
    given = {"channel": "#orders", "text": "Paid by ${input.who}", "thread_ts": "16.1", "blocks": [{"type": "divider"}]}
    value, sent = await posted("slack_message", "slack", answer, given, {"who": "${secrets.KEY}"})
    assert value == {"channel": "C1", "ts": "17.5"}
    assert (sent.method, sent.target) == ("POST", "/api/chat.postMessage")
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(sent.body) == {**given, "text": "Paid by ${secrets.KEY}"}


@pytest.mark.parametrize(
    ("said", "word", "may_retry"),
    [
        ("channel_not_found", "channel_not_found", False),
        ("ratelimited", "ratelimited", True),
        ("<script>", "no reason", False),
    ],
)
async def test_what_slack_refuses_is_a_failure_with_its_word(said: str, word: str, may_retry: bool) -> None:
    async with (
        foreign(json_answer(json.dumps({"ok": False, "error": said}))) as server,
        tasks(service("them", "slack", f"http://127.0.0.1:{server.port}")) as running,
    ):
        failed = await running.failure("slack_message", {"channel": "a", "text": "b"}, integration="them")
    assert (failed.code, failed.may_retry) == ("slack_error", may_retry)
    assert str(failed).endswith(word)


async def test_a_post_on_x_is_sent_as_x_has_it() -> None:
    answer = json_answer('{"data": {"id": "19", "text": "Hello"}}', 201)
    value, sent = await posted("send_tweet", "x", answer, {"text": "Hello", "reply_to": "18"})
    assert value == {"id": "19", "text": "Hello", "url": "https://x.com/i/status/19"}
    assert (sent.method, sent.target) == ("POST", "/api/tweets")
    assert json.loads(sent.body) == {"text": "Hello", "reply": {"in_reply_to_tweet_id": "18"}}


async def test_an_issue_is_opened_as_github_has_it() -> None:
    answer = json_answer('{"number": 5, "html_url": "https://github.example/o/r/issues/5", "id": 99}', 201)
    given = {"repository": "o/r", "title": "Broken", "body": "It **is**.", "labels": ["bug"]}
    value, sent = await posted("github_issue", "github", answer, given)
    assert value == {"number": 5, "url": "https://github.example/o/r/issues/5", "id": 99}
    assert (sent.method, sent.target) == ("POST", "/api/repos/o/r/issues")
    assert sent.headers["accept"] == "application/vnd.github+json"
    assert sent.headers["x-github-api-version"] == "2022-11-28"
    asked = json.loads(sent.body)
    text, _, mark = asked.pop("body").partition("\n\n")
    assert asked == {"title": "Broken", "labels": ["bug"], "assignees": []}
    assert text == "It **is**."
    assert mark.startswith("<!-- interlock: ")


async def test_an_issue_that_an_earlier_try_opened_is_not_opened_again() -> None:
    issues: list[dict[str, Any]] = [{"number": 4, "html_url": "https://e/4", "id": 40, "body": None}]

    def github(request: Received) -> bytes:
        if request.method == "GET":
            return json_answer(json.dumps(issues[::-1]))
        issues.append({"number": 5, "html_url": "https://e/5", "id": 50, **json.loads(request.body)})
        return http(502)  # it was opened, and nobody is told

    async with (
        foreign(github) as server,
        tasks(service("gh", "github", f"http://127.0.0.1:{server.port}")) as running,
    ):
        given: Any = {"repository": "o/r", "title": "Broken"}
        broken = await running.failure("github_issue", given, integration="gh")
        again = await running.value("github_issue", given, integration="gh", attempt=2)
        other = await running.failure("github_issue", given, integration="gh", attempt=2, idempotency_key="another")
    assert broken.may_retry
    assert again == {"number": 5, "url": "https://e/5", "id": 50}
    assert other.may_retry  # that is another issue, so it was asked for
    assert len(issues) == 3


async def test_an_answer_without_what_it_should_have_is_a_failure_and_not_tried_again() -> None:
    async with (
        foreign(json_answer("[]", 201)) as server,
        tasks(
            service("gh", "github", f"http://127.0.0.1:{server.port}"),
            service("x", "x", f"http://127.0.0.1:{server.port}"),
        ) as running,
    ):
        issue = await running.failure("github_issue", {"repository": "o/r", "title": "t"}, integration="gh")
        post = await running.failure("send_tweet", {"text": "t"}, integration="x")
        outside = await running.failure("github_issue", {"repository": "../x", "title": "t"}, integration="gh")
    assert {issue.code, post.code} == {"provider_error"}
    assert not issue.may_retry
    assert outside.code == "invalid_input"
    assert len(server.received) == 2


async def test_a_task_takes_only_integrations_of_its_provider_that_are_for_its_workflow() -> None:
    async with foreign(http()) as server:
        url = f"http://127.0.0.1:{server.port}"
        others = service("gh", "github", url), service("fenced", "slack", url, workflows=("another",))
        async with tasks(*others) as running:
            given: Any = {"channel": "a", "text": "b"}
            found = [
                (await running.failure("slack_message", given, integration=name)).code
                for name in (None, "gh", "nobody", "fenced")
            ]
            no_integration = await running.failure("script", {"code": "return {}"}, integration="gh")
        assert server.received == []
    assert found == ["integration_missing", "wrong_integration", "http_error", "secret_not_allowed"]
    assert no_integration.code == "wrong_integration"
