"""The parts of a running server that the socket and HTTP use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from interlock.auth.tokens import Authenticator
from interlock.definitions.port import Definitions
from interlock.engine.engine import Engine
from interlock.engine.work.connecting import Connecting
from interlock.engine.work.integrations import Integrations
from interlock.files.port import Objects
from interlock.following.drafts import Drafts
from interlock.following.feed import Feed
from interlock.following.hub import Hub
from interlock.following.presence import Presence
from interlock.following.sights import Sights
from interlock.identity.identity import Identity
from interlock.notices.service import Notices
from interlock.ratelimit import RateLimits
from interlock.secrets.stored import StoredSecrets
from interlock.store.port import Store
from interlock.webhooks.service import WebhookService


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that the socket and HTTP use.

    Attributes:
        objects: where the bytes of files are.
        check_script: says what is wrong with a script, for this account; None if this server runs no scripts.
    """

    engine: Engine
    definitions: Definitions
    hub: Hub
    feed: Feed
    store: Store
    sights: Sights
    presence: Presence
    drafts: Drafts
    authenticator: Authenticator
    rate_limits: RateLimits
    identity: Identity
    secrets: StoredSecrets
    integrations: Integrations
    connecting: Connecting
    objects: Objects
    webhooks: WebhookService
    notices: Notices
    check_script: Callable[[str, str], Awaitable[str | None]] | None = None
