"""The names that programs rely on. Removing one is a breaking change; adding one is a decision."""

from __future__ import annotations

import subprocess
import sys

import interlock_client
from interlock_client.instances import Instances
from interlock_client.machines import Machines


def test_public_names_are_these() -> None:
    assert sorted(interlock_client.__all__) == [
        "ActionRefused",
        "AuthenticationFailed",
        "BrokenStream",
        "Client",
        "ClientClosed",
        "ClientError",
        "Conflict",
        "ConnectionEnded",
        "Delivery",
        "DeliveryAttempt",
        "DeliveryPage",
        "Disconnected",
        "ErrorPage",
        "FollowedInbox",
        "Forbidden",
        "HistoryEvent",
        "HistoryPage",
        "InboxItem",
        "InboxQuestion",
        "Instance",
        "Interaction",
        "InterlockError",
        "InvalidDecision",
        "ListedError",
        "MachineSummary",
        "MachineVersion",
        "NotFound",
        "Pause",
        "ProtocolMisuse",
        "Question",
        "RequestFailed",
        "Run",
        "RunList",
        "SecretInfo",
        "StaleView",
        "Subscription",
        "Thread",
        "TooLate",
        "ToolCall",
        "UploadedFile",
        "Validation",
        "connect",
    ]
    assert all(hasattr(interlock_client, name) for name in interlock_client.__all__)


def test_methods_of_a_program_are_these() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert {"start", "follow", "follow_runs", "inbox", "close", "user_id", "scopes"} <= public(interlock_client.Client)
    assert {"create", "validate", "list", "versions", "publish"} <= public(Machines)
    assert {"create", "get", "list", "resume", "resume_thread", "threads", "cancel"} <= public(Instances)
    assert {"history", "events", "event", "wait_for"} <= public(Instances)
    assert {"status", "result", "error", "pending", "last_event_index", "epoch"} <= public(interlock_client.Run)
    assert {"wait", "cancel", "unfollow"} <= public(interlock_client.Run)
    assert {"runs", "unfollow"} <= public(interlock_client.RunList)
    assert {"questions", "question", "seq", "unfollow"} <= public(interlock_client.FollowedInbox) | {"seq"}
    assert {"respond", "seen", "look", "look_away", "save_draft"} <= public(interlock_client.InboxQuestion)
    assert {"claim", "release", "delegate"} <= public(interlock_client.InboxQuestion)
    assert {"confirm", "reject", "submit", "choose", "decide"} <= public(interlock_client.Pause)
    assert {"approve", "deny", "fill", "select", "hand_in", "resolve"} <= public(interlock_client.Pause)
    assert {"approved", "denied", "filled", "selected", "handed_in"} <= public(interlock_client.ToolCall)


def test_client_stands_alone() -> None:
    program = "import interlock_client, sys; print(any(name.split('.')[0] == 'interlock' for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
