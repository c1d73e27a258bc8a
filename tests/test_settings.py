from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from interlock.errors import SettingsError
from interlock.settings import Settings

DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 7777,
    "data_dir": Path(".interlock"),
    "database_url": "sqlite+aiosqlite:///.interlock/interlock.db",
    "files_url": None,
    "redis_url": None,
    "public_url": None,
    "web_app": True,
    "presence": True,
    "allow_volatile_redis": False,
    "agentos": "off",
    "agentos_open": False,
    "tokens": None,
    "secrets_keys": None,
    "secrets_rules": None,
    "jwt_secret": None,
    "jwt_jwks_url": None,
    "jwt_audience": None,
    "jwt_issuer": None,
    "jwt_account": "default",
    "jwt_trusted_claims": (),
    "oidc_issuer": None,
    "oidc_client_id": None,
    "oidc_client_secret": None,
    "oidc_name": None,
    "oidc_scope": "openid profile email",
    "oidc_account": "default",
    "oidc_user_scopes": ("files:write", "workflows:decide", "workflows:execute", "workflows:read"),
    "oidc_claims": (),
    "allowed_origins": (),
    "http_allow": (),
    "widgets": None,
    "business_hours": "mon-fri 09:00-17:00",
    "business_timezone": "UTC",
    "business_calendar": None,
    "webhook_retries": (0, 30, 120, 480, 1800, 7200),
    "webhook_allow": (),
    "notifiers": None,
    "notifiers_allow": (),
    "notifiers_templates": None,
    "ai_model": None,
    "definitions": None,
    "max_message_bytes": 1024 * 1024,
    "max_connections": 20_000,
    "max_connections_per_user": 20_000,
    "rate_limit_per_user": "100000/minute",
    "rate_limit_per_connection": "10000/minute",
    "limit_reads": "1000/minute",
    "limit_writes": "100/minute",
    "limit_creations": "50/minute",
    "limit_sessions": "60000/minute",
    "limit_sign_ins": "60/minute",
    "limit_webhooks": "1000/minute",
    "max_concurrent_runs": 1_000,
    "keep_logs_days": None,
    "max_active_instances": 10_000,
    "instance_running_days": 30.0,
    "instance_halted_days": 90.0,
    "max_log_events": None,
    "auth_timeout_seconds": 10,
    "request_timeout_seconds": 20,
    "heartbeat_seconds": 20,
    "shutdown_grace_seconds": 10,
    "metrics": "token",
    "log_level": "info",
    "log_format": "text",
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("INTERLOCK_")]:
        monkeypatch.delenv(name)


def refusal(**values: Any) -> str:
    with pytest.raises(SettingsError) as refused:
        Settings(**values)
    assert refused.value.__context__ is None, "the cause would show the values in a traceback"
    return str(refused.value)


def test_everything_is_optional() -> None:
    assert Settings().model_dump() == DEFAULTS


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("PORT", " 8080 ", 8080),
        ("PORT", "0", 0),
        ("DATA_DIR", "/srv/data", Path("/srv/data")),
        ("DATA_DIR", "~/data", Path.home() / "data"),
        ("DATABASE_URL", "postgres://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
        ("DATABASE_URL", "postgresql://h/db", "postgresql+asyncpg://h/db"),
        ("DATABASE_URL", "postgresql+asyncpg://h/db", "postgresql+asyncpg://h/db"),
        ("DATABASE_URL", "sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("REDIS_URL", "rediss://h", "rediss://h"),
        ("REDIS_URL", "", None),
        ("ALLOW_VOLATILE_REDIS", "true", True),
        ("JWT_JWKS_URL", "https://id.example/jwks", "https://id.example/jwks"),
        ("ALLOWED_ORIGINS", "*", ("*",)),
        (
            "ALLOWED_ORIGINS",
            "https://A.example/, http://b.example:80,https://a.example:443",
            ("https://a.example", "http://b.example"),
        ),
        (
            "ALLOWED_ORIGINS",
            '["https://a.example", "http://[::1]:5173"]',
            ("https://a.example", "http://[::1]:5173"),
        ),
        ("ALLOWED_ORIGINS", "", ()),
        ("ALLOWED_ORIGINS", " , ", ()),
        ("MAX_MESSAGE_BYTES", "2048", 2048),
        ("MAX_CONNECTIONS", "1", 1),
        ("AUTH_TIMEOUT_SECONDS", "0.5", 0.5),
        ("METRICS", "Open", "open"),
        ("LOG_FORMAT", "JSON", "json"),
        ("LOG_LEVEL", "DEBUG", "debug"),
    ],
)
def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: Any) -> None:
    monkeypatch.setenv(f"INTERLOCK_{name}", text)
    assert getattr(Settings(), name.lower()) == value


def test_what_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PORT", "1")
    assert Settings(port=2, allowed_origins=["https://a.example"]).port == 2


def test_the_command_lines_own_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_TOKEN", "x")
    monkeypatch.setenv("INTERLOCK_URL", "x")
    assert Settings().model_dump() == DEFAULTS


def test_the_database_lies_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(data_dir="here").database_url == "sqlite+aiosqlite:///here/interlock.db"
    monkeypatch.setenv("INTERLOCK_DATA_DIR", "/srv/data")
    assert Settings().database_url == "sqlite+aiosqlite:////srv/data/interlock.db"
    assert Settings(database_url="sqlite:///x.db").database_url == "sqlite+aiosqlite:///x.db"


def test_redis_url_that_a_password_breaks_is_told_without_the_password() -> None:
    assert "%23" in refusal(redis_url="redis://:s3cret#more@127.0.0.1:6379/0")
    assert "s3cret" not in refusal(redis_url="redis://:s3cret#more@127.0.0.1:6379/0")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HOST", "http://hunter2"),
        ("HOST", "a b"),
        ("PORT", "hunter2"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "tcp://10.0.0.1:7777"),
        ("DATABASE_URL", "mysql://root:hunter2@h/db"),
        ("DATABASE_URL", "interlock.db"),
        ("DATABASE_URL", "postgresql://"),
        ("REDIS_URL", "http://:hunter2@h"),
        ("REDIS_URL", "localhost:6379"),
        ("ALLOW_VOLATILE_REDIS", "perhaps"),
        ("TOKENS", '[{"token": "hunter2"}]'),
        ("TOKENS", '[{"token": "hunter2", "user_id": "ada", "scopes": ["everything"]}]'),
        ("TOKENS", "[hunter2"),
        ("TOKENS", "hunter2 hunter3"),
        ("JWT_SECRET", "hunter2"),
        ("JWT_SECRET", "-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----"),
        ("JWT_JWKS_URL", "https://u:hunter2@id.example"),
        ("JWT_JWKS_URL", "file:///etc/passwd"),
        ("ALLOWED_ORIGINS", "app.example.com"),
        ("ALLOWED_ORIGINS", "https://*.example.com"),
        ("ALLOWED_ORIGINS", "https://app.example.com/path"),
        ("ALLOWED_ORIGINS", "https://u:hunter2@app.example.com"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "[1]"),
        ("ALLOWED_ORIGINS", "[hunter2"),
        ("MAX_MESSAGE_BYTES", "1MiB"),
        ("MAX_MESSAGE_BYTES", "10"),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS_PER_USER", "none"),
        ("MAX_CONCURRENT_RUNS", "1.5"),
        ("AUTH_TIMEOUT_SECONDS", "0"),
        ("HEARTBEAT_SECONDS", "nan"),
        ("SHUTDOWN_GRACE_SECONDS", "inf"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_one_sentence_that_names_the_variable_and_repeats_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(f"INTERLOCK_{name}", text)
    message = refusal()
    assert message.startswith(f"INTERLOCK_{name} ")
    assert message.endswith(".")
    assert "\n" not in message
    assert "hunter2" not in message


def test_everything_wrong_is_told_at_once() -> None:
    assert refusal(port="x", max_connections=0, log_level="loud").splitlines() == [
        "INTERLOCK_PORT must be a number from 0 to 65535.",
        "INTERLOCK_MAX_CONNECTIONS must be a whole number from 1 upwards, such as 20000.",
        "INTERLOCK_LOG_LEVEL must be debug, info, warning, error or critical.",
    ]


def test_kubernetes_service_links_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PORT", "tcp://10.0.0.1:7777")
    assert "enableServiceLinks" in refusal()


def test_an_unknown_setting_is_refused() -> None:
    assert refusal(prot=7777).startswith("There is no setting 'prot'")


def test_two_sources_of_keys_are_refused() -> None:
    assert "both set" in refusal(jwt_secret="s" * 32, jwt_jwks_url="https://id.example/jwks")


@pytest.mark.parametrize("name", ["jwt_audience", "jwt_issuer"])
def test_a_check_without_a_key_is_refused(name: str) -> None:
    assert "check nothing by themselves" in refusal(**{name: "x"})


def test_no_secret_is_shown() -> None:
    settings = Settings(
        tokens=json.dumps([{"token": "hunter2", "user_id": "ada"}]),
        jwt_secret="hunter2" * 5,
        database_url="postgresql://u:hunter2@h/db",
        redis_url="redis://:hunter2@h",
    )
    assert "hunter2" not in repr(settings) + str(settings)


def test_agentos_is_open_only_on_this_machine_and_without_tokens() -> None:
    assert Settings(agentos="Root", agentos_open=True).agentos == "root"
    assert "set INTERLOCK_AGENTOS too" in refusal(agentos_open=True)
    for closed in (
        {"tokens": "a-token-of-someone"},
        {"jwt_secret": "x" * 32},
        {"host": "0.0.0.0", "tokens": "a-token"},
    ):
        assert "INTERLOCK_AGENTOS_OPEN is for a server on this machine" in refusal(
            agentos="beside", agentos_open=True, **closed
        )


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("localhost:8080, 10.1.0.0/16", ("localhost:8080", "10.1.0.0/16")),
        ("[::1]:80,fd00::/8", ("[::1]:80", "fd00::/8")),
        ('["a.example", "a.example"]', ("a.example",)),
        ("", ()),
    ],
)
@pytest.mark.parametrize("name", ["http_allow", "webhook_allow"])
def test_hosts_that_may_be_reached_are_a_list(
    given: str, hosts: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"INTERLOCK_{name.upper()}", given)
    assert getattr(Settings(), name) == hosts


@pytest.mark.parametrize(
    "given", ["http://a.example", "*", "10.0.0.1/8", "a:0", "secret value", "a,,b c", "[1]", "0x7f.1"]
)
def test_host_that_names_nothing_is_told_without_its_value(given: str) -> None:
    for name in ("http_allow", "webhook_allow"):
        sentence = refusal(**{name: given})
        assert sentence.startswith(f"INTERLOCK_{name.upper()} must be names, addresses and networks")
        assert given not in sentence


def test_times_of_retries_are_seconds_and_the_first_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_WEBHOOK_RETRIES", "0, 1.5,60")
    assert Settings().webhook_retries == (0, 1.5, 60)
    for given in ("", "30,60", "0,-1", "0,x", "0,nan", "0,inf", "0,604801", ",".join(["0"] * 21), "[0,30]"):
        if given:
            told = refusal(webhook_retries=given)
            assert told.startswith("INTERLOCK_WEBHOOK_RETRIES must be 0 and further numbers of seconds")


def test_what_notifiers_may_reach_is_written_as_what_http_calls_may() -> None:
    assert Settings(notifiers_allow="mail.internal:587, 10.1.0.0/16").notifiers_allow == (
        "mail.internal:587",
        "10.1.0.0/16",
    )
    assert refusal(notifiers_allow="http://x").startswith("INTERLOCK_NOTIFIERS_ALLOW must be names, addresses")


def test_channels_that_cannot_be_used_are_told_without_their_urls() -> None:
    sentence = refusal(notifiers='{"mail": "mailtos://robot:topsecret@smtp.example.com?to={address}&bcc=x"}')
    assert sentence.startswith("INTERLOCK_NOTIFIERS has a channel 'mail' that has an option in its URL")
    assert "topsecret" not in sentence
    given = Settings(notifiers='{"mail": "mailtos://robot:topsecret@smtp.example.com?to={address}"}')
    assert "topsecret" not in repr(given)


def test_secrets_of_workflows_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_SECRET_API_KEY", "topsecret")
    assert "topsecret" not in repr(Settings())
