"""Every setting of the server: from the environment (`INTERLOCK_…`), or given to `Settings(…)`.

Laws:
- Everything is optional; with nothing set, the server runs on one machine, for one person, safely.
- What is wrong is told all at once, each in a sentence that names the variable and says what to write
  instead.
- No error and no repr shows a value: any of them may be a secret, or a secret in the wrong place.
- Settings don't change once they are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from interlock.addresses import Allowed
from interlock.auth.jwks import check_jwks_url
from interlock.auth.keys import key_from_secret
from interlock.auth.origins import is_loopback, parse_origin
from interlock.auth.principal import ALL_SCOPES, USER_SCOPES
from interlock.auth.token_list import parse_tokens
from interlock.errors import SettingsError
from interlock.outgoing.channels import channels_in
from interlock.ratelimit.limiter import limit_of
from interlock.secrets.rules import fences_in
from interlock.secrets.vault import is_key
from interlock.settings.fields import DRIVERS, LIMIT, count, listed, retries_in, seconds, setting
from interlock_protocol.limits import MAX_MESSAGE_BYTES
from interlock_protocol.namespaces import ACCOUNT, DEFAULT_ACCOUNT

PREFIX: Final = "INTERLOCK_"
DEFAULT_DATA_DIR: Final = ".interlock"
TrustedClaim: TypeAlias = Literal["account", "namespaces", "kind"]
MappedClaim: TypeAlias = Literal["groups", "namespaces", "kind"]


class Settings(BaseSettings):
    """The settings of one server.

    Raises:
        SettingsError: one or more can't be used.
    """

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
        "The model that writes what halted state machines say, where they ask for that, as Pydantic AI names it. By"
        " default only the model that a definition names does.",
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

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            sentences = [_sentence(problem) for problem in error.errors(include_url=False)]
        else:
            return
        # Outside the handler, so that the error carries no context: that one knows the values.
        raise SettingsError("\n".join(dict.fromkeys(sentences)))

    @field_validator(
        "host",
        "database_url",
        "redis_url",
        "jwt_jwks_url",
        "jwt_audience",
        "jwt_issuer",
        "jwt_account",
        "rate_limit_per_user",
        "rate_limit_per_connection",
        "limit_reads",
        "limit_writes",
        "limit_creations",
        "oidc_issuer",
        "oidc_client_id",
        "limit_webhooks",
        mode="before",
    )
    @classmethod
    def _trimmed(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("port", mode="before")
    @classmethod
    def _not_a_service_link(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("tcp://"):
            raise ValueError(
                "was set by Kubernetes for a Service named interlock: set `enableServiceLinks: false` on the"
                " pod, give the Service another name, or set INTERLOCK_PORT yourself."
            )
        return value

    @field_validator("data_dir", "definitions", "notifiers_templates")
    @classmethod
    def _at_home(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser()

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if not (separator and rest and scheme in DRIVERS):
            raise ValueError(f"must be {_write('database_url')}.")
        return f"{DRIVERS[scheme]}://{rest}"

    @field_validator("redis_url")
    @classmethod
    def _with_a_port(cls, value: str | None) -> str | None:
        try:
            _ = None if value is None else urlsplit(value).port
        except ValueError:  # its words hold what stands where a port should: of a password with a #, its beginning
            raise ValueError(
                f"must be {_write('redis_url')}, and what is special in a password written with %, as in %23 for #."
            ) from None
        return value

    @field_validator(
        "rate_limit_per_user",
        "rate_limit_per_connection",
        "limit_reads",
        "limit_writes",
        "limit_creations",
        "limit_sign_ins",
        "limit_webhooks",
    )
    @classmethod
    def _countable(cls, value: str) -> str:
        try:
            limit_of(value)
        except ValueError:
            raise ValueError(f"must be {LIMIT}.") from None
        return value

    @field_validator("log_level", "log_format", "metrics", "agentos", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("tokens")
    @classmethod
    def _readable_tokens(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            parse_tokens(value.get_secret_value())
        return value

    @field_validator("secrets_keys")
    @classmethod
    def _usable_keys(cls, value: SecretStr | None) -> SecretStr | None:
        keys = [] if value is None else value.get_secret_value().replace(",", " ").split()
        if value is not None and not (keys and all(map(is_key, keys))):
            raise ValueError(f"must be {_write('secrets_keys')}.")
        return value

    @field_validator("secrets_rules")
    @classmethod
    def _readable_rules(cls, value: str | None) -> str | None:
        try:
            _ = None if value is None else fences_in(value)
        except ValueError:
            raise ValueError(f"must be {_write('secrets_rules')}.") from None
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _usable_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            key_from_secret(value.get_secret_value())
        return value

    @field_validator("jwt_jwks_url")
    @classmethod
    def _fetchable(cls, value: str | None) -> str | None:
        return check_jwks_url(value) if value else value

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_canonical_origin(item) for item in _listed(value, "allowed_origins")))

    @field_validator("notifiers")
    @classmethod
    def _usable_channels(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            _ = None if value is None else channels_in(value.get_secret_value())
        except ValueError as error:
            raise ValueError(f"{error}: it is {_write('notifiers')}.") from None
        return value

    @field_validator("http_allow", "notifiers_allow", "webhook_allow", mode="before")
    @classmethod
    def _hosts(cls, value: Any, info: ValidationInfo) -> tuple[str, ...]:
        name = str(info.field_name)
        hosts = tuple(dict.fromkeys(_listed(value, name)))
        try:
            Allowed(hosts)
        except ValueError:
            raise ValueError(f"must be {_write(name)}.") from None
        return hosts

    @field_validator("webhook_retries", mode="before")
    @classmethod
    def _times(cls, value: Any) -> tuple[float, ...]:
        if (times := retries_in(value)) is None:
            raise ValueError(f"must be {_write('webhook_retries')}.")
        return times

    @field_validator("jwt_trusted_claims", mode="before")
    @classmethod
    def _claims(cls, value: Any) -> tuple[str, ...]:
        claims = _listed(value, "jwt_trusted_claims")
        if not set(claims) <= set(get_args(TrustedClaim)):
            raise ValueError(f"must be {_write('jwt_trusted_claims')}.")
        return tuple(dict.fromkeys(claims))

    @field_validator("oidc_issuer")
    @classmethod
    def _an_issuer(cls, value: str | None) -> str | None:
        try:
            return check_jwks_url(value) if value else value
        except ValueError:
            raise ValueError(f"must be {_write('oidc_issuer')}.") from None

    @field_validator("oidc_user_scopes", mode="before")
    @classmethod
    def _known_scopes(cls, value: Any) -> tuple[str, ...]:
        scopes = tuple(dict.fromkeys(_listed(value, "oidc_user_scopes")))
        if not set(scopes) <= ALL_SCOPES:
            raise ValueError(f"must be {_write('oidc_user_scopes')}.")
        return scopes

    @field_validator("oidc_claims", mode="before")
    @classmethod
    def _mapped_claims(cls, value: Any) -> tuple[str, ...]:
        claims = tuple(dict.fromkeys(_listed(value, "oidc_claims")))
        names = [each.partition("=")[0] for each in claims]
        is_complete = all(not each.endswith("=") for each in claims)
        if not is_complete or len(set(names)) != len(names) or not set(names) <= set(get_args(MappedClaim)):
            raise ValueError(f"must be {_write('oidc_claims')}.")
        return claims

    @model_validator(mode="before")
    @classmethod
    def _database_in_data_dir(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("data_dir") and not values.get("database_url"):
            folder = Path(values["data_dir"]).expanduser().as_posix()
            return {**values, "database_url": f"sqlite+aiosqlite:///{folder}/interlock.db"}
        return values

    @model_validator(mode="after")
    def _open_to_this_machine_only(self) -> Self:
        if not self.agentos_open:
            return self
        if self.agentos == "off":
            raise ValueError("INTERLOCK_AGENTOS_OPEN opens nothing by itself: set INTERLOCK_AGENTOS too.")
        if self.tokens or self.jwt_secret or self.jwt_jwks_url or not is_loopback(self.host):
            raise ValueError(
                "INTERLOCK_AGENTOS_OPEN is for a server on this machine that makes its own token: leave"
                " INTERLOCK_HOST at 127.0.0.1, and INTERLOCK_TOKENS, INTERLOCK_JWT_SECRET and"
                " INTERLOCK_JWT_JWKS_URL unset."
            )
        return self

    @model_validator(mode="after")
    def _one_key_for_jwts(self) -> Self:
        if self.jwt_secret and self.jwt_jwks_url:
            raise ValueError(
                "INTERLOCK_JWT_SECRET and INTERLOCK_JWT_JWKS_URL are both set: keep the one that verifies your tokens."
            )
        if (self.jwt_audience or self.jwt_issuer) and not (self.jwt_secret or self.jwt_jwks_url):
            raise ValueError(
                "INTERLOCK_JWT_AUDIENCE and INTERLOCK_JWT_ISSUER check nothing by themselves:"
                " set INTERLOCK_JWT_SECRET or INTERLOCK_JWT_JWKS_URL too."
            )
        return self

    @model_validator(mode="after")
    def _an_issuer_to_trust(self) -> Self:
        if self.jwt_trusted_claims and not self.jwt_issuer:
            raise ValueError(
                "INTERLOCK_JWT_TRUSTED_CLAIMS says what an issuer is trusted with: set INTERLOCK_JWT_ISSUER too."
            )
        if self.jwt_account != DEFAULT_ACCOUNT and not (self.jwt_secret or self.jwt_jwks_url):
            raise ValueError(
                "INTERLOCK_JWT_ACCOUNT gives no token an account by itself:"
                " set INTERLOCK_JWT_SECRET or INTERLOCK_JWT_JWKS_URL too."
            )
        return self

    @model_validator(mode="after")
    def _a_provider_to_sign_in_with(self) -> Self:
        if self.oidc_issuer and not (self.oidc_client_id and self.public_url):
            raise ValueError(
                "INTERLOCK_OIDC_ISSUER needs INTERLOCK_OIDC_CLIENT_ID, which the provider gave this server, and"
                " INTERLOCK_PUBLIC_URL, where people come back to."
            )
        if not self.oidc_issuer and (self.oidc_client_id or self.oidc_client_secret):
            raise ValueError("INTERLOCK_OIDC_CLIENT_ID signs nobody in by itself: set INTERLOCK_OIDC_ISSUER too.")
        return self


def _write(name: str) -> str:
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["write"]) if isinstance(extra, dict) else "something else"


def _sentence(problem: Any) -> str:
    """What is wrong and what to write instead, without what was written."""
    own = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else None
    if not problem["loc"]:
        return own or "The settings must be given by name."
    name = str(problem["loc"][0])
    if name not in Settings.model_fields:
        return f"There is no setting {name!r}: use one of {', '.join(Settings.model_fields)}."
    return f"{PREFIX}{name.upper()} {own or f'must be {_write(name)}.'}"


def _listed(value: Any, name: str) -> list[str]:
    if (found := listed(value)) is None:
        raise ValueError(f"must be {_write(name)}.")
    return found


def _canonical_origin(text: str) -> str:
    if text == "*":
        return text
    if (origin := parse_origin(text.removesuffix("/"))) is None:
        raise ValueError(f"must be {_write('allowed_origins')}: scheme and host, no path, no other wildcards.")
    return str(origin)
