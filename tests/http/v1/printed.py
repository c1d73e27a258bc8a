"""What is printed of the routes of state machines, as tables."""

from __future__ import annotations

from typing import Final

READ, WRITE, EXECUTE = "workflows:read", "workflows:write", "workflows:execute"
WEBHOOKS = "webhooks:manage"

ROUTES: Final[dict[tuple[str, str], tuple[str, int]]] = {
    ("POST", "/workflows"): (WRITE, 201),
    ("POST", "/workflows/validate"): (READ, 200),
    ("GET", "/workflows"): (READ, 200),
    ("GET", "/workflows/{name}/versions"): (READ, 200),
    ("POST", "/workflows/{name}/versions/{version_id}/publish"): (WRITE, 200),
    ("POST", "/workflows/{name}/instances"): (EXECUTE, 201),
    ("GET", "/workflows/instances"): (READ, 200),
    ("GET", "/workflows/instances/{instance_id}"): (READ, 200),
    ("POST", "/workflows/instances/{instance_id}/resume"): (EXECUTE, 200),
    ("POST", "/workflows/instances/{instance_id}/cancel"): (EXECUTE, 200),
    ("GET", "/workflows/instances/{instance_id}/threads"): (READ, 200),
    ("POST", "/workflows/instances/{instance_id}/threads/{thread_id}/resume"): (EXECUTE, 200),
    ("GET", "/workflows/instances/{instance_id}/history"): (READ, 200),
    ("GET", "/workflows/instances/{instance_id}/events/{event_id}"): (READ, 200),
    ("POST", "/webhooks/subscriptions"): (WEBHOOKS, 201),
    ("GET", "/webhooks/subscriptions"): (WEBHOOKS, 200),
    ("DELETE", "/webhooks/subscriptions/{subscription_id}"): (WEBHOOKS, 204),
}
"""The scope that a route wants, and the status of its success."""

ON_ALL: Final = {"unauthorized": 401, "forbidden": 403, "rate_limited": 429, "internal_error": 500}
OF_LOGIC: Final = {"script_error": 500, "script_timeout": 500, "http_error": 500, "http_timeout": 500}
OF_RESUMES: Final = {
    "instance_not_halted": 400,
    "invalid_transition": 400,
    "concurrent_modification": 409,
    "instance_not_found": 404,
    **OF_LOGIC,
}

CODES: Final[dict[tuple[str, str], dict[str, int]]] = {
    ("POST", "/workflows"): {"invalid_workflow": 400, "workflow_exists": 409},
    ("GET", "/workflows/{name}/versions"): {"workflow_not_found": 404},
    ("POST", "/workflows/{name}/versions/{version_id}/publish"): {"version_not_found": 404, "already_published": 400},
    ("POST", "/workflows/{name}/instances"): {
        "workflow_not_found": 404,
        "workflow_not_published": 400,
        "namespace_quota_exceeded": 429,
        **OF_LOGIC,
    },
    ("GET", "/workflows/instances/{instance_id}"): {"instance_not_found": 404},
    ("POST", "/workflows/instances/{instance_id}/resume"): OF_RESUMES,
    ("POST", "/workflows/instances/{instance_id}/threads/{thread_id}/resume"): OF_RESUMES,
    ("POST", "/workflows/instances/{instance_id}/cancel"): {"instance_not_found": 404, "instance_not_active": 400},
}
"""What each route may be refused with, besides what all may."""
