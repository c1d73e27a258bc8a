"""The settings themselves: what each is called, what it is by default, and what it is for.

Law: a setting is declared here and nowhere else; `settings.py` has what is checked of several, or of what can't be said
by a type.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from interlock.auth.principal import ALL_SCOPES, USER_SCOPES
from interlock.settings.fields import LIMIT, count, seconds, setting
from interlock_protocol.limits import MAX_MESSAGE_BYTES
from interlock_protocol.namespaces import ACCOUNT, DEFAULT_ACCOUNT

PREFIX: Final = "INTERLOCK_"
DEFAULT_DATA_DIR: Final = ".interlock"
TrustedClaim: TypeAlias = Literal["account", "namespaces", "kind"]
MappedClaim: TypeAlias = Literal["groups", "namespaces", "kind"]


class Declared(BaseSettings):
    """The settings of one server, as they are declared."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str = setting(
        "127.0.0.1",
        "The address to listen on; anything but loopback needs authentication to be configured.",
        "an address or a name, such as 127.0.0.1 or 0.0.0.0",
        pattern=r"^[A-Za-z0-9._:%-]+$",
    )
    port: int = setting(7777, "The port to listen on; 0 takes a free one.", "a number from 0 to 65535", ge=0, le=65535)
    data_dir: Path = setting(
        Path(DEFAULT_DATA_DIR),
        "The folder of the embedded database and of the made-up token.",
        "the path of a folder",
    )
    database_url: str = setting(
        f"sqlite+aiosqlite:///{DEFAULT_DATA_DIR}/interlock.db",
        "Where runs are stored: SQLite, or PostgreSQL. By default a file in the data folder.",
        "sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER:PASSWORD@HOST/NAME",
        repr=False,
    )
    files_url: str | None = setting(
        None,
        "Where the bytes of uploaded files are: a folder, or a bucket of S3, which several nodes need. By default a"
        " folder in the data folder.",
        "file:///FOLDER or s3://BUCKET/PREFIX",
        repr=False,
        pattern=r"^(s3://[^\s/]|file:///[^\s])[^\s]*$",
    )
    redis_url: str | None = setting(
        None,
        "The Redis (6.2 or later, single or Cluster) that several nodes share.",
        "redis://HOST:PORT, rediss://HOST:PORT or unix://PATH",
        repr=False,
        pattern=r"^(rediss?|unix)://[^\s]+$",
    )
    public_url: str | None = setting(
        None,
        "Where people reach this server; the links that `on_pause` gets begin with it.",
        "a URL such as https://interlock.example.com",
    )
    definitions: Path | None = setting(
        None,
        "A folder of definitions in JSON or YAML; at its start the server publishes those that have changed.",
        "the path of a folder",
    )
    widgets: Path | None = setting(
        None,
        "A folder of widgets' bundles, each as NAME.js; at its start the server adds those that have changed.",
        "the path of a folder",
    )
    web_app: bool = setting(True, "Serve the web app at `/`.", "true or false")
    presence: bool = setting(
        True, "Note in the audit who has seen a question, and show people who looks at it with them.", "true or false"
    )
    allow_volatile_redis: bool = setting(
        False, "Serve even with a Redis that may forget (no AOF, or it evicts keys).", "true or false"
    )

    agentos: Literal["off", "beside", "root"] = setting(
        "off",
        "Speak to clients of Agno AgentOS as AgentOS does: under `/agentos` and where a connection asks for it"
        " (beside), or at the root too, to whoever doesn't say otherwise (root).",
        "off, beside or root",
    )
    agentos_open: bool = setting(
        False,
        "Let in clients of AgentOS without a token, straight from this machine; only where the server makes its own"
        " token.",
        "true or false",
    )

    tokens: SecretStr | None = setting(
        None,
        "One token, of user `admin` with every scope; or a JSON list of objects with token, user_id, scopes"
        " (by default: execute, decide and read workflows, upload files), groups, account, namespaces and kind.",
        'one token, or a JSON list such as [{"token": "…", "user_id": "…"}]',
    )
    secrets_keys: SecretStr | None = setting(
        None,
        "The keys that seal secrets, stored or typed into forms, with commas between them: the first seals, all open."
        " By default, on one machine, a made-up one in the data folder.",
        "keys of 32 bytes in URL-safe base64, with commas between them",
    )
    secrets_rules: str | None = setting(
        None,
        "Where the secrets in the environment may go: a JSON object of their names, each with hosts, workflows and"
        " script. By default they go anywhere but into scripts.",
        'a JSON object such as {"API_KEY": {"hosts": ["api.example.com"], "script": false}}',
    )
    jwt_secret: SecretStr | None = setting(
        None,
        "What verifies JSON Web Tokens: a shared secret of 32 bytes or more (HS256; HS384 from 48, HS512 from"
        " 64), or a public key or certificate in PEM form (RS*, PS*, ES*).",
        "a shared secret of 32 bytes or more, or a public key in PEM form",
    )
    jwt_jwks_url: str | None = setting(
        None,
        "Where an identity provider publishes the keys that verify its tokens (instead of a secret).",
        "an address that starts with https://",
        repr=False,
    )
    jwt_audience: str | None = setting(
        None, "The audience (`aud`) a token has to be made for.", "the text of the `aud` claim"
    )
    jwt_issuer: str | None = setting(
        None, "The issuer (`iss`) a token has to come from.", "the text of the `iss` claim"
    )
    jwt_account: str = setting(
        DEFAULT_ACCOUNT,
        "The account of the issuer's users; of those whose token names none, where it is trusted with `account`.",
        "1 to 64 letters and digits, `_`, `.` and `-`, such as acme",
        pattern=ACCOUNT,
    )
    jwt_trusted_claims: Annotated[tuple[TrustedClaim, ...], NoDecode] = setting(
        (),
        "What the issuer is trusted to say of its users, with commas between them: account, namespaces, kind."
        " By default nothing of these.",
        "account, namespaces and kind, or some of them, with commas between them",
    )
    oidc_issuer: str | None = setting(
        None,
        "An OpenID provider that people sign in with in the web app, exactly as its document names itself.",
        "an address that starts with https://",
    )
    oidc_client_id: str | None = setting(None, "What the provider knows this server by.", "the text of a client id")
    oidc_client_secret: SecretStr | None = setting(
        None, "The secret of that client; a public client has none.", "the client's secret"
    )
    oidc_name: str | None = setting(
        None, "What the sign-in page calls the provider. By default by its host.", "a short text, such as Example Inc."
    )
    oidc_scope: str = setting(
        "openid profile email",
        "What the provider is asked for.",
        "scopes of the provider with spaces between them, openid among them",
        pattern=r"^([^\s]+ )*openid( [^\s]+)*$",
    )
    oidc_account: str = setting(
        DEFAULT_ACCOUNT,
        "The account of the people who sign in so.",
        "1 to 64 letters and digits, `_`, `.` and `-`, such as acme",
        pattern=ACCOUNT,
    )
    oidc_user_scopes: Annotated[tuple[str, ...], NoDecode] = setting(
        tuple(sorted(USER_SCOPES)),
        "What whoever signs in so for the first time may do, with commas between them; later the directory says.",
        f"some of {', '.join(sorted(ALL_SCOPES))}, with commas between them",
    )
    oidc_claims: Annotated[tuple[str, ...], NoDecode] = setting(
        (),
        "Which claims of the provider count, and as what, with commas between them: groups, namespaces and kind, each"
        " with = and the claim's name if it has another. By default none.",
        "groups, namespaces and kind, or some of them, such as groups=roles,kind",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = setting(
        (),
        "The origins whose pages may connect, with commas between them, or *. By default the server's own,"
        " and pages on this machine when the server is.",
        "origins such as https://app.example.com with commas between them, or *",
    )

    ai_model: str | None = setting(
        None,
        "The model that writes what halted state machines say, and that answers the prompts of tasks, where they name"
        " none, as Pydantic AI names it. By default only the model that a definition names does.",
        "a model's name such as openai:gpt-5",
    )
    http_allow: Annotated[tuple[str, ...], NoDecode] = setting(
        (),
        "What HTTP calls of workflows may reach besides the public internet, with commas between them: names, addresses"
        " and networks, each at every port or at one.",
        "names, addresses and networks with commas between them, such as localhost:8080, 10.1.0.0/16, [fd00::1]:80",
    )

    notifiers: SecretStr | None = setting(
        None,
        "The channels by which people are told that they are waited for: a JSON object, or the path of a file with one,"
        " of their names, each with a URL. By default nobody is told.",
        'a JSON object such as {"mail": "mailtos://USER:PASSWORD@smtp.example.com?from=interlock@example.com'
        '&to={address}"}, or the path of a file with one',
    )
    notifiers_allow: Annotated[tuple[str, ...], NoDecode] = setting(
        (),
        "What notifiers may reach besides the public internet, written like INTERLOCK_HTTP_ALLOW: one's own mail"
        " server, for instance.",
        "names, addresses and networks with commas between them, such as mail.internal:587, 10.1.0.0/16",
    )
    notifiers_templates: Path | None = setting(
        None,
        "A folder with subject.txt, body.txt or body.html: what people are told, instead of the built-in words.",
        "the path of a folder",
    )

    business_hours: str = setting(
        "mon-fri 09:00-17:00",
        "When people work: what business time counts, in due dates and reminders.",
        "the first and the last day of the week, and from when until when, such as mon-fri 09:00-17:00",
        pattern=r"(?i)^(mon|tue|wed|thu|fri|sat|sun)-(mon|tue|wed|thu|fri|sat|sun) \d\d:\d\d-\d\d:\d\d$",
    )
    business_timezone: str = setting(
        "UTC", "In which time zone that is.", "the name of a time zone, such as Europe/Berlin"
    )
    business_calendar: str | None = setting(
        None,
        "The public holidays on which nobody works: a country, or a part of it. By default there are none.",
        "the code of a country such as DE, or of a part of it such as DE-BY",
    )

    webhook_retries: Annotated[tuple[float, ...], NoDecode] = setting(
        (0, 30, 120, 480, 1800, 7200),
        "How many seconds after the one before a webhook's delivery is attempted, with commas between them; after the"
        " last it is given up. The first attempt is made at once.",
        "0 and further numbers of seconds with commas between them, such as 0,30,120,480,1800,7200",
    )
    webhook_allow: Annotated[tuple[str, ...], NoDecode] = setting(
        (),
        "What webhooks may reach besides the public internet, as in INTERLOCK_HTTP_ALLOW.",
        "names, addresses and networks with commas between them, such as localhost:8080, 10.1.0.0/16, [fd00::1]:80",
    )

    max_message_bytes: int = setting(
        MAX_MESSAGE_BYTES,
        "The size up to which a message is taken.",
        "a whole number of bytes from 1024 upwards, such as 1048576",
        ge=1024,
    )
    max_connections: int = count(20_000, "How many sockets a node holds at a time.")
    max_connections_per_user: int = count(20_000, "How many sockets of one user a node holds at a time.")
    rate_limit_per_user: str = setting(
        "100000/minute",
        "What a user may ask for in a time, on all nodes together; over it, actions and requests are refused.",
        LIMIT,
    )
    rate_limit_per_connection: str = setting(
        "10000/minute", "What a socket may send in a time; over it, actions are refused.", LIMIT
    )
    limit_reads: str = setting(
        "1000/minute", "How often a user may read under `/api/v1` in a time, on all nodes together.", LIMIT
    )
    limit_writes: str = setting("100/minute", "The same for what changes something, but for new instances.", LIMIT)
    limit_creations: str = setting("50/minute", "The same for new instances.", LIMIT)
    limit_sessions: str = setting("60000/minute", "The same for sessions of graphs.", LIMIT)
    limit_sign_ins: str = setting(
        "60/minute", "How often an address may sign in, or refresh or revoke a token, on all nodes together.", LIMIT
    )
    limit_webhooks: str = setting(
        "1000/minute",
        "How many events a webhook's subscription is sent in a time, on all nodes together; beyond it they wait.",
        LIMIT,
    )
    max_concurrent_runs: int = count(
        1_000, "How many runs a node works on at a time; others wait their turn, paused ones don't count."
    )
    keep_logs_days: float | None = setting(
        None,
        "How many days after its end a run's events are kept; its state and its decisions stay. By default for good.",
        "a number of days above 0, such as 30",
        gt=0,
    )
    max_active_instances: int = count(
        10_000,
        "How many instances of state machines that haven't ended a namespace may have; further ones are refused.",
    )
    instance_running_days: float = setting(
        30.0,
        "How many days an instance of a state machine that is at work, or waits for a time, may go without a change;"
        " then it is cancelled.",
        "a number of days above 0, such as 30",
        gt=0,
        le=36_600,
    )
    instance_halted_days: float = setting(
        90.0,
        "The same for an instance that waits for a person.",
        "a number of days above 0, such as 90",
        gt=0,
        le=36_600,
    )
    max_log_events: int | None = setting(
        None,
        "How many of a run's latest events are kept when it pauses or ends; earlier ones are stood for by a snapshot."
        " By default all.",
        "a whole number from 1000 upwards",
        ge=1000,
    )
    auth_timeout_seconds: float = seconds(10, "How long a new socket may take to authenticate.")
    request_timeout_seconds: float = seconds(
        20, "How long a connection may take for the head of a request, and as long again for its body."
    )
    heartbeat_seconds: float = seconds(20, "How often the server pings a socket.")
    shutdown_grace_seconds: float = seconds(10, "How long a stopping server lets its steps finish.")
    metrics: Literal["token", "open", "off"] = setting(
        "token",
        "Who may read `/metrics`: who has a token with the scope admin, of the account default; everybody who reaches"
        " the server; or nobody.",
        "token, open or off",
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = setting(
        "info", "The least important messages to log.", "debug, info, warning, error or critical"
    )

    log_format: Literal["text", "json"] = setting(
        "text", "What log lines look like: lines for people, or JSON objects for programs.", "text or json"
    )
