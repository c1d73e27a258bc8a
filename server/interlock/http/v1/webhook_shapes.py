"""What the routes of webhooks take and give. No answer has a secret but the one in which the server tells a new one."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from interlock.store.ports.webhooks import DeliveryStatus, SubscriptionStatus
from interlock.webhooks.service import LONGEST_DESCRIPTION, LONGEST_URL
from interlock.webhooks.signing import LONGEST_SECRET, SHORTEST_SECRET
from interlock_protocol.messages import Namespace

EventName = Literal[
    "workflow.instance.created",
    "workflow.instance.halted",
    "workflow.instance.resumed",
    "workflow.instance.completed",
    "workflow.instance.failed",
    "workflow.instance.cancelled",
    "interaction.created",
    "interaction.responded",
    "interaction.completed",
    "interaction.expired",
    "interaction.cancelled",
]
"""What a subscription can be told of."""

Address = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_URL)]
Events = Annotated[list[EventName], Field(min_length=1, max_length=20)]
Secret = Annotated[str, StringConstraints(min_length=SHORTEST_SECRET, max_length=LONGEST_SECRET, pattern="^[!-~]+$")]
Description = Annotated[str, StringConstraints(max_length=LONGEST_DESCRIPTION)]

_SIGNS: Final = "what deliveries are signed with; by default the server makes one, and tells it in its answer, once"


class CreateSubscription(BaseModel):
    """An address that is to be told of events."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[Address, Field(description="where events are posted; with `https`, unless the server allows it")]
    events: Events
    secret: Secret | None = Field(None, repr=False, description=_SIGNS)
    namespace_filter: Namespace | None = Field(
        None, description="tells of this namespace only; needed by whoever doesn't own all of the account"
    )
    description: Description | None = None


class ChangeSubscription(BaseModel):
    """What is to be different. What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: Address | None = None
    events: Events | None = None
    description: Description | None = None
    status: SubscriptionStatus | None = Field(None, description="`disabled` pauses it, `active` lets it go on")


class RotateSecret(BaseModel):
    """The next secret."""

    model_config = ConfigDict(extra="forbid")

    secret: Secret | None = Field(None, repr=False, description=_SIGNS)


class SubscriptionInfo(BaseModel):
    """A subscription, without its secret."""

    id: str
    url: str
    events: list[str]
    namespace_filter: str | None
    description: str | None
    status: SubscriptionStatus
    disabled_because: Literal["asked", "gone", "failing"] | None = Field(
        description="`gone`: the receiver answered 410; `failing`: it failed for three days"
    )
    resting: bool = Field(description="it failed so often in a row that it is only probed, until one attempt succeeds")
    failures: int = Field(description="attempts that failed, in a row")
    failing_since: str | None
    last_success_at: str | None
    rotating_until: str | None = Field(description="until when the old secret signs too")
    created_by: str | None = Field(description="whose rights decide what it is told: who made it, or changed it last")
    created_at: str
    updated_at: str


class NewSubscription(SubscriptionInfo):
    """A subscription; with its secret where the server has just made it, and never again."""

    secret: str | None = Field(None, repr=False)


class Pages(BaseModel):
    """Whether there is more, and what `cursor` brings it."""

    has_more: bool
    next_cursor: str | None


class SubscriptionList(BaseModel):
    """The subscriptions that one may manage, the newest first."""

    subscriptions: list[SubscriptionInfo]
    pagination: Pages


class AttemptInfo(BaseModel):
    """One try to deliver. `response` is how the answer begins; without one `code` is null, and `response` says why."""

    at: str
    code: int | None
    duration_ms: int
    response: str | None


class DeliveryInfo(BaseModel):
    """One event for one subscription."""

    id: str
    subscription_id: str
    event: str
    status: DeliveryStatus
    instance_id: str | None = Field(description="null for a test")
    namespace: str | None
    sequence: int = Field(description="its number among those of its run for this subscription, from 1 on")
    attempts: list[AttemptInfo]
    next_attempt_at: str | None = Field(description="null if none is due: it is done, or waits for one before it")
    created_at: str


class DeliveryList(BaseModel):
    """The deliveries of a subscription, the newest first."""

    deliveries: list[DeliveryInfo]
    pagination: Pages


class Replayed(BaseModel):
    """How many deliveries are sent again."""

    replayed: int


BODIES: Final[tuple[type[BaseModel], ...]] = (CreateSubscription, ChangeSubscription, RotateSecret)
