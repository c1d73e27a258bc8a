"""The Python client of Interlock: start runs, follow them, decide what they wait for.

async with connect("http://127.0.0.1:7777", token=token) as client:
    run = await client.start("release-review", message="1.4.0")
    async for event in run:
        for pause in run.pending:
            await pause.confirm()
    print(run.status, run.result)
"""

from interlock_client.client import Client
from interlock_client.connecting import connect
from interlock_client.errors import (
    ActionRefused,
    AuthenticationFailed,
    BrokenStream,
    ClientClosed,
    ClientError,
    Conflict,
    ConnectionEnded,
    Disconnected,
    Forbidden,
    InvalidDecision,
    NotFound,
    RequestFailed,
    StaleView,
    TooLate,
)
from interlock_client.files import UploadedFile
from interlock_client.instances import ErrorPage, HistoryEvent, HistoryPage, Instance, ListedError, Thread
from interlock_client.interactions import InboxItem, Interaction
from interlock_client.lists import RunList
from interlock_client.machines import MachineSummary, MachineVersion, Validation
from interlock_client.pauses import Pause
from interlock_client.questions import FollowedInbox, InboxQuestion
from interlock_client.run import Run
from interlock_client.secrets import SecretInfo
from interlock_client.tools import Question, ToolCall
from interlock_client.webhooks import Delivery, DeliveryAttempt, DeliveryPage, Subscription
from interlock_protocol.errors import InterlockError, ProtocolMisuse

__all__ = [
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
