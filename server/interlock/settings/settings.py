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
from typing import Any, Self, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator, model_validator

from interlock.addresses import Allowed
from interlock.auth.jwks import check_jwks_url
from interlock.auth.keys import key_from_secret
from interlock.auth.origins import is_loopback, parse_origin
from interlock.auth.principal import ALL_SCOPES
from interlock.auth.token_list import parse_tokens
from interlock.errors import SettingsError
from interlock.outgoing.channels import channels_in
from interlock.ratelimit.limiter import limit_of
from interlock.secrets.rules import fences_in
from interlock.secrets.vault import is_key
from interlock.settings.declared import PREFIX, Declared, MappedClaim, TrustedClaim
from interlock.settings.fields import DRIVERS, LIMIT, listed, retries_in
from interlock_protocol.namespaces import DEFAULT_ACCOUNT


class Settings(Declared):
    """The settings of one server.

    Raises:
        SettingsError: one or more can't be used.
    """

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
