"""The directory: members, groups, and the record of changes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Text, bindparam, delete, exists, insert, select, tuple_, update

from interlock.store.directory_tables import directory, directory_changes, group_members, groups, members

from .parameters import AT_MOST, OF_ACCOUNT, OF_USER

_OF_GROUP = bindparam("of_group", type_=Text)
_BEFORE = tuple_(bindparam("before_order", type_=BigInteger), bindparam("before_id", type_=Text))
_IS_MEMBER = (members.c.account == OF_ACCOUNT) & (members.c.user_id == OF_USER)
_NEWEST = (members.c.created_at.desc(), members.c.user_id.desc())
_PLACE = tuple_(members.c.created_at, members.c.user_id)

MEMBER = select(members).where(_IS_MEMBER)
MEMBER_OF = select(members).where(
    members.c.account == OF_ACCOUNT,
    members.c.issuer == bindparam("of_issuer", type_=Text),
    members.c.subject == bindparam("of_subject", type_=Text),
)
CLIENT = select(members).where(members.c.user_id == OF_USER, members.c.kind == "service")
MEMBERS = (
    select(members)
    .where(members.c.account == OF_ACCOUNT, members.c.kind == bindparam("of_kind", type_=Text))
    .order_by(*_NEWEST)
    .limit(AT_MOST)
)
MEMBERS_BEFORE = MEMBERS.where(_PLACE < _BEFORE)
ADD_MEMBER = insert(members)
REHASH = (
    update(members)
    .where(_IS_MEMBER, members.c.secret == bindparam("old_secret", type_=Text))
    .values(secret=bindparam("new_secret", type_=Text))
)


def edit_member(names: tuple[str, ...]) -> object:
    """The statement that sets these columns of a member, from parameters `new_` and the name."""
    return update(members).where(_IS_MEMBER).values({name: bindparam(f"new_{name}") for name in names})


GROUPS_OF = (
    select(group_members.c.user_id, group_members.c.group_name)
    .where(group_members.c.account == OF_ACCOUNT, group_members.c.user_id.in_(bindparam("of_users", expanding=True)))
    .order_by(group_members.c.user_id, group_members.c.group_name)
)
GROUP = select(groups).where(groups.c.account == OF_ACCOUNT, groups.c.name == _OF_GROUP)
GROUPS = select(groups).where(groups.c.account == OF_ACCOUNT).order_by(groups.c.name)
ADD_GROUP = insert(groups)
JOIN = insert(group_members)
_IS_IN_GROUP = (
    (group_members.c.account == OF_ACCOUNT)
    & (group_members.c.user_id == OF_USER)
    & (group_members.c.group_name == _OF_GROUP)
)
IS_IN_GROUP = select(group_members.c.user_id).where(_IS_IN_GROUP)
LEAVE = delete(group_members).where(_IS_IN_GROUP)
MEMBERS_OF_GROUP = (
    select(members)
    .where(
        members.c.account == OF_ACCOUNT,
        exists(
            select(group_members.c.user_id).where(
                group_members.c.account == members.c.account,
                group_members.c.user_id == members.c.user_id,
                group_members.c.group_name == _OF_GROUP,
            )
        ),
    )
    .order_by(*_NEWEST)
    .limit(AT_MOST)
)
MEMBERS_OF_GROUP_BEFORE = MEMBERS_OF_GROUP.where(_PLACE < _BEFORE)

# Also the lock: the transaction that holds this row has the last revision, and the next one waits for its commit.
NEXT_REVISION = (
    update(directory).values(last_revision=directory.c.last_revision + 1).returning(directory.c.last_revision)
)
LAST_REVISION = select(directory.c.last_revision)
RECORD = insert(directory_changes)
CHANGES = (
    select(directory_changes)
    .where(directory_changes.c.revision > bindparam("after_revision", type_=BigInteger))
    .order_by(directory_changes.c.revision)
    .limit(AT_MOST)
)
_HISTORY = (
    select(directory_changes)
    .where(
        directory_changes.c.account == OF_ACCOUNT,
        directory_changes.c.revision < bindparam("before_revision", type_=BigInteger),
    )
    .order_by(directory_changes.c.revision.desc())
    .limit(AT_MOST)
)
HISTORY = _HISTORY
HISTORY_OF = _HISTORY.where(directory_changes.c.user_id == OF_USER)
