"""The identity provider that people of the web app sign in with, as the settings name it."""

from urllib.parse import urlsplit

from interlock.addresses import Allowed
from interlock.http.app_session import redirect_uri
from interlock.identity.by_provider import Terms
from interlock.identity.provider import Provider
from interlock.outgoing.code_flow import Client
from interlock.outgoing.guarded import DEFAULT_PORTS, GuardedTransport
from interlock.settings import Settings


def identity_provider(settings: Settings) -> tuple[Provider, Terms] | None:
    """The identity provider that people of the web app sign in with, and what counts of what it says."""
    if settings.oidc_issuer is None:
        return None
    assert settings.oidc_client_id is not None, "the settings say so"
    issuer, secret = urlsplit(settings.oidc_issuer), settings.oidc_client_secret
    # The operator named its host, so it may be reached wherever it is.
    host = f"[{issuer.hostname}]" if ":" in (issuer.hostname or "") else issuer.hostname
    near = f"{host}:{issuer.port or DEFAULT_PORTS[issuer.scheme]}"
    client = Client(
        settings.oidc_client_id,
        None if secret is None else secret.get_secret_value(),
        redirect_uri(settings),
        settings.oidc_scope,
    )
    provider = Provider(settings.oidc_issuer, client, GuardedTransport(Allowed((near, *settings.http_allow))))
    mapped = {what: claim or what for what, _, claim in (each.partition("=") for each in settings.oidc_claims)}
    are_bearers = settings.jwt_secret is not None or settings.jwt_jwks_url is not None
    keeps_subjects = (
        are_bearers and settings.jwt_issuer == settings.oidc_issuer and settings.jwt_account == settings.oidc_account
    )
    terms = Terms(settings.oidc_account, frozenset(settings.oidc_user_scopes), mapped, keeps_subjects)
    return provider, terms
