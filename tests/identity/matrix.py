"""Who may ask for what: a line for each route of the server, and for each action of its socket.

To add a route, add its line: what it is, and the scopes with which one may ask for it.

- `PUBLIC`: anybody, without a token.
- `ANYBODY`: everybody with a token, whatever their scopes are: it is about themselves, or changes nothing.
- `With(scopes)`: whoever has one of these scopes, and admins.
- `Of(scopes)`: the same, of something that belongs to somebody: for others, and in another account, it isn't there.
- `Own(scopes)`: the same, of something of the account: in another account it isn't there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Line:
    """Who is let in.

    Attributes:
        scopes: those with which one is; None for everybody.
        is_public: whether that is so without a token.
        hides_from: for whom it isn't there, though they have the scope.
    """

    scopes: frozenset[str] | None = None
    is_public: bool = False
    hides_from: frozenset[str] = frozenset()


OTHERS, FAR = "others", "far"

PUBLIC: Final = Line(is_public=True)
ANYBODY: Final = Line()


def With(*scopes: str) -> Line:
    return Line(frozenset(scopes))


def Of(*scopes: str) -> Line:
    return Line(frozenset(scopes), hides_from=frozenset({OTHERS, FAR}))


def Own(*scopes: str) -> Line:
    return Line(frozenset(scopes), hides_from=frozenset({FAR}))


DECIDE, EXECUTE, READ, WRITE = (f"workflows:{each}" for each in ("decide", "execute", "read", "write"))
FILES, SECRETS, USERS, WEBHOOKS = "files:write", "secrets:manage", "users:manage", "webhooks:manage"
ASK, RESPOND = "interactions:manage", "interactions:respond"
WORKING = (DECIDE, EXECUTE, READ)

HOOK: Final = "/api/v1/webhooks/subscriptions/{subscription_id}"
DELIVERY: Final = "/api/v1/webhooks/deliveries/{delivery_id}"
INSTANCE: Final = "/api/v1/workflows/instances/{instance_id}"
DEFINITION: Final = "/api/v1/workflows/{name}"
RUN: Final = "/workflows/{workflow_id}/runs/{run_id}"

MATRIX: Final[dict[str, Line]] = {
    # ── Without a token: that the server lives, signing in, its pages, and public keys and descriptions ──
    "GET /health/live": PUBLIC,
    "GET /health/ready": PUBLIC,  # for balancers; it names parts that don't answer, and no address
    "GET /": PUBLIC,
    "GET /assets/{path}": PUBLIC,
    "GET /client.js": PUBLIC,
    "GET /widgets/{name}": PUBLIC,  # what pages load of widgets: public code
    "GET /widgets/{name}/{bundle_version}.js": PUBLIC,
    "GET /widgets/{name}/{bundle_version}/frame": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /docs/start.js": PUBLIC,
    "GET /docs/swagger-ui-bundle.js": PUBLIC,
    "GET /docs/swagger-ui.css": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /api/v1/openapi.json": PUBLIC,
    "POST /login": PUBLIC,
    "POST /oauth/token": PUBLIC,
    "POST /oauth/revoke": PUBLIC,
    "GET /oauth/jwks": PUBLIC,
    "GET /.well-known/oauth-authorization-server": PUBLIC,
    "GET /session": PUBLIC,
    "POST /session": PUBLIC,  # only for the server's own pages
    "DELETE /session": PUBLIC,
    "POST /session/token": PUBLIC,
    "GET /session/provider": PUBLIC,
    "GET /session/provider/callback": PUBLIC,
    "GET /integrations/callback": PUBLIC,
    "GET /agentos/health": PUBLIC,
    # ── The server itself ──
    "GET /metrics": Own("admin"),
    "GET /api/v1/widgets": Own("admin"),
    "POST /api/v1/widgets": Own("admin"),
    # ── Runs ──
    "GET /workflows": With(*WORKING),
    "GET /runs": With(*WORKING),
    "GET /workflows/{workflow_id}/runs": With(*WORKING),
    "POST /workflows/{workflow_id}/runs": With(EXECUTE),
    f"GET {RUN}": Of(EXECUTE, READ),
    f"POST {RUN}/continue": Of(EXECUTE),
    f"POST {RUN}/cancel": Of(EXECUTE),
    "POST /api/executions/{execution_id}/resume": Of(EXECUTE),
    f"GET {RUN}/resume": Of(EXECUTE, READ),
    "POST /stream-tickets": Of(EXECUTE, READ),
    "DELETE /stream-tickets/{ticket_id}": ANYBODY,
    # ── Actions of the socket ──
    "SOCKET authenticate": PUBLIC,
    "SOCKET ping": ANYBODY,
    "SOCKET start-workflow": With(EXECUTE),
    "SOCKET continue-workflow": Of(EXECUTE),
    "SOCKET cancel-workflow": Of(EXECUTE),
    "SOCKET signal": Of(EXECUTE),
    "SOCKET claim": Of(EXECUTE),
    "SOCKET release": Of(EXECUTE),
    "SOCKET delegate": Of(EXECUTE),
    "SOCKET reconnect": Of(EXECUTE, READ),
    "SOCKET unfollow": Of(EXECUTE, READ),
    "SOCKET follow-runs": With(*WORKING),
    "SOCKET unfollow-runs": ANYBODY,
    "SOCKET follow-inbox": With(*WORKING, ASK, RESPOND),
    "SOCKET unfollow-inbox": ANYBODY,
    "SOCKET respond": Of(EXECUTE),
    "SOCKET seen": Of(EXECUTE, READ),
    "SOCKET draft": Of(EXECUTE, READ),
    # ── Definitions ──
    "GET /api/v1/workflows": With(READ),
    "POST /api/v1/workflows": With(WRITE),
    "POST /api/v1/workflows/validate": With(READ),
    f"GET {DEFINITION}": Own(READ),
    f"GET {DEFINITION}/versions": Own(READ),
    f"POST {DEFINITION}/versions": Own(WRITE),
    f"GET {DEFINITION}/versions/{{version_id}}": Own(READ),
    f"DELETE {DEFINITION}/versions/{{version_id}}": Own(WRITE),
    f"POST {DEFINITION}/versions/{{version_id}}/publish": Own(WRITE),
    f"GET {DEFINITION}/versions/{{version_id}}/diagram": Own(READ),
    # ── Instances ──
    f"POST {DEFINITION}/instances": Own(EXECUTE),
    "GET /api/v1/workflows/instances": With(READ),
    "GET /api/v1/workflows/errors": With(READ),
    f"GET {INSTANCE}": Of(READ),
    f"GET {INSTANCE}/threads": Of(READ),
    f"GET {INSTANCE}/history": Of(READ),
    f"GET {INSTANCE}/events/{{event_id}}": Of(READ),
    f"POST {INSTANCE}/retry": Of(EXECUTE),
    f"POST {INSTANCE}/resume": Of(EXECUTE),
    f"POST {INSTANCE}/threads/{{thread_id}}/resume": Of(EXECUTE),
    f"POST {INSTANCE}/cancel": Of(EXECUTE),
    # ── People ──
    "GET /api/v1/users": With(USERS),
    "POST /api/v1/users": With(USERS),
    "GET /api/v1/users/{user_id}": Own(USERS),
    "PATCH /api/v1/users/{user_id}": Own(USERS),
    "POST /api/v1/users/{user_id}/revoke": Own(USERS),
    "GET /api/v1/groups": With(USERS),
    "POST /api/v1/groups": With("admin"),
    "GET /api/v1/groups/{name}/members": Own(USERS),
    "PUT /api/v1/groups/{name}/members/{user_id}": Own("admin"),  # or whoever is in the group, and has USERS
    "DELETE /api/v1/groups/{name}/members/{user_id}": Own(USERS),
    "GET /api/v1/clients": With(USERS),
    "POST /api/v1/clients": With("admin"),  # or a service account that has USERS
    "DELETE /api/v1/clients/{client_id}": Own("admin"),  # or another service account that has USERS
    "GET /api/v1/directory/changes": With(USERS),
    "POST /api/v1/password": ANYBODY,
    # ── Secrets, providers and integrations ──
    "GET /api/v1/secrets": With(SECRETS),
    "PUT /api/v1/secrets/{name}": With(SECRETS),
    "DELETE /api/v1/secrets/{name}": Own(SECRETS),
    "POST /api/v1/secrets/keys/rotate": Own("admin"),
    "GET /api/v1/providers": With(SECRETS),
    "PUT /api/v1/providers/{name}": With(SECRETS),
    "DELETE /api/v1/providers/{name}": Own(SECRETS),
    "GET /api/v1/integrations": With(SECRETS),
    "POST /api/v1/integrations": With(SECRETS),
    "POST /api/v1/integrations/connect": With(SECRETS),
    "DELETE /api/v1/integrations/{name}": With(SECRETS),
    "POST /api/v1/integrations/{name}/test": With(SECRETS),
    # ── Files ──
    "POST /api/v1/files": With(FILES),
    "GET /api/v1/files/{file_id}": Of(FILES, *WORKING),
    "GET /api/v1/files/{file_id}/info": Of(FILES, *WORKING),
    "DELETE /api/v1/files/{file_id}": Of(FILES),
    # ── Webhooks ──
    "GET /api/v1/webhooks/subscriptions": With(WEBHOOKS),
    "POST /api/v1/webhooks/subscriptions": With(WEBHOOKS),
    f"GET {HOOK}": Of(WEBHOOKS),
    f"PATCH {HOOK}": Of(WEBHOOKS),
    f"POST {HOOK}/rotate": Of(WEBHOOKS),
    f"POST {HOOK}/rotate/confirm": Of(WEBHOOKS),
    f"POST {HOOK}/test": Of(WEBHOOKS),
    f"GET {HOOK}/deliveries": Of(WEBHOOKS),
    f"POST {HOOK}/replay": Of(WEBHOOKS),
    f"GET {DELIVERY}": Of(WEBHOOKS),
    f"POST {DELIVERY}/replay": Of(WEBHOOKS),
    f"DELETE {HOOK}": Of(WEBHOOKS),
    # ── Notices and absences ──
    "GET /api/v1/me/absence": ANYBODY,
    "PUT /api/v1/me/absence": ANYBODY,
    "DELETE /api/v1/me/absence": ANYBODY,
    "GET /api/v1/me/notifications": ANYBODY,
    "PUT /api/v1/me/notifications": ANYBODY,
    "GET /api/v1/users/{user_id}/notifications": Own(USERS),
    "PUT /api/v1/users/{user_id}/notifications": Own("admin"),  # or whoever has USERS, and all that the user may
    "POST /api/v1/users/{user_id}/notifications/test": Own("admin"),  # the same
    # ── Signals ──
    "GET /v1/openapi.json": PUBLIC,
    "POST /v1/projects/{project}/runs/{run_id}/signals": Of(EXECUTE),
    "POST /v1/projects/{project}/interactions": With(ASK),
    "GET /v1/projects/{project}/interactions": With(*WORKING, ASK, RESPOND),
    "GET /v1/projects/{project}/interactions/{interaction_id}": Of(*WORKING, ASK, RESPOND),
    "POST /v1/projects/{project}/interactions/{interaction_id}/respond": With(*WORKING, ASK, RESPOND),
    "POST /v1/projects/{project}/interactions/{interaction_id}/cancel": Of(ASK),
    "GET /v1/projects/{project}/inbox": With(*WORKING, ASK, RESPOND),
    "GET /v1/inbox": With(*WORKING, ASK, RESPOND),
    # ── The audit ──
    "GET /v1/projects/{project}/runs/{run_id}/audit": Of(EXECUTE, READ),
    "GET /v1/audit/checkpoint": With("admin"),
    "GET /v1/projects/{project}/interactions/{interaction_id}/audit": Of(*WORKING),
}
