"""What the routes of people, service accounts and groups take and give.

Law: no answer has a password, or anything made of one. A service account's secret is in one answer: that to its making.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from interlock_protocol.types import JsonValue

MAX_BODY: Final = 16 * 1024
MAX_LIST: Final = 100

Short: TypeAlias = Annotated[StrictStr, Field(max_length=255)]
Several: TypeAlias = Annotated[list[Short], Field(max_length=MAX_LIST)]
Password: TypeAlias = Annotated[StrictStr, Field(max_length=1024)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AddUser(_Body):
    """A person to add. One's own people sign in with `username` and `password`; an identity provider signs in those who
    have an `issuer` and a `subject`. Only an admin gives these, or an `id`."""

    username: Short
    password: Password | None = None
    id: Short | None = None
    issuer: Short | None = None
    subject: Short | None = None
    scopes: Several = Field(default_factory=list)
    groups: Several = Field(default_factory=list)
    namespaces: Several = Field(default_factory=list)


class ChangeUser(_Body):
    """What is to be different. A new password, or disabling, revokes all tokens."""

    name: Short | None = None
    password: Password | None = None
    scopes: Several | None = None
    namespaces: Several | None = None
    disabled: StrictBool | None = None


class ChangePassword(_Body):
    """One's own passwords."""

    current_password: Password
    new_password: Password


class AddGroup(_Body):
    """A group to add. With an `issuer`, tokens of that identity provider say who is in it."""

    name: Short
    issuer: Short | None = None


class AddClient(_Body):
    """A service account to add."""

    name: Short
    scopes: Several = Field(default_factory=list)
    groups: Several = Field(default_factory=list)
    namespaces: Several = Field(default_factory=list)


BODIES: Final[tuple[type[BaseModel], ...]] = (AddUser, ChangeUser, ChangePassword, AddGroup, AddClient)
"""The models that routes name only by reference."""


class User(BaseModel):
    """A person. `id` never changes, and is who they are in runs; `issuer` is null for one's own people."""

    id: str
    username: str
    issuer: str | None
    subject: str | None
    scopes: list[str]
    groups: list[str]
    namespaces: list[str]
    disabled: bool
    created_at: str
    created_by: str


class UserList(BaseModel):
    """A page of people, the newest first; `next_cursor` asks for the next one."""

    users: list[User]
    next_cursor: str | None


class Client(BaseModel):
    """A service account: a program that gets its tokens by `client_credentials`."""

    client_id: str
    name: str
    scopes: list[str]
    groups: list[str]
    namespaces: list[str]
    revoked: bool
    created_at: str
    created_by: str


class NewClient(Client):
    """A service account, with its secret, which isn't shown again."""

    client_secret: str


class ClientList(BaseModel):
    """A page of service accounts, the newest first; `next_cursor` asks for the next one."""

    clients: list[Client]
    next_cursor: str | None


class GroupShape(BaseModel):
    """A group. `issuer` is null if the directory says who is in it."""

    model_config = ConfigDict(title="Group")

    name: str
    issuer: str | None
    created_at: str
    created_by: str


class GroupList(BaseModel):
    """All groups, in the order of their names."""

    groups: list[GroupShape]


class GroupMember(BaseModel):
    """Somebody in a group."""

    id: str
    name: str
    kind: Literal["user", "service"]


class GroupMembers(BaseModel):
    """A page of who is in a group; `next_cursor` asks for the next one."""

    members: list[GroupMember]
    next_cursor: str | None


class Change(BaseModel):
    """A change of the directory: what was done to whom, by whom. `user_id` is null if it is about nobody."""

    what: str
    user_id: str | None
    by: str
    at: str
    detail: dict[str, JsonValue]


class ChangeList(BaseModel):
    """A page of changes, the newest first; `next_cursor` asks for the next one."""

    changes: list[Change]
    next_cursor: str | None
