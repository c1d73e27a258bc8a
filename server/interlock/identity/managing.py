"""Managing the directory: what those who may (`Verb.MANAGE_USERS`) change, and how far.

Laws:
- Nobody gives scopes, groups or namespaces that they lack, nor changes anybody who has more than they do (`may_give`).
  It is judged on what is changed: where that is another state than the one judged, nothing is.
- Nobody puts themselves into a group, not even an admin, nor changes their own password but by the one that they have.
- The user name by which somebody is shown is the one that they sign in with, and nobody else's.
- What decides who somebody is belongs to admins: an id of one's choice, an issuer's subject, a new group.
- A password and a service account's secret are never read again; the latter is told once.
- Every change is recorded with its author, and learnt of here before the author is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from interlock.auth import Kind, Principal, may_give
from interlock.auth.may import Powers
from interlock.auth.principal import ALL_SCOPES, check_user_id
from interlock.identity.directory import Directory
from interlock.identity.names import checked_name, compared, new_client_id, new_user_id
from interlock.identity.passwords import Busy, Passwords, check_password
from interlock.identity.sign_in import SignIn, digest_of_secret, new_client_secret
from interlock.store.ports.directory import (
    OWN_ISSUER,
    By,
    ChangePage,
    DirectoryStore,
    Edit,
    Group,
    Member,
    MemberKind,
    MemberPage,
    NewMember,
    Taken,
)
from interlock_protocol.namespaces import check_namespace

LONGEST_SUBJECT: Final = 255


class Forbidden(Exception):  # noqa: N818 - turned into an answer
    """The author may not do this; the message says why."""


class Unusable(ValueError):  # noqa: N818 - turned into an answer
    """A field has a value that it can't have."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class TooBusy(Exception):  # noqa: N818 - turned into an answer
    """Too many passwords are being hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A person or a service account to add.

    Args:
        name: the user name; of a service account, what it is called.
        user_id: an id of one's choice.
        issuer, subject: for a person whom an identity provider signs in.
    """

    name: str
    user_id: str | None = None
    issuer: str | None = None
    subject: str | None = None
    password: str | None = field(default=None, repr=False)
    scopes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    kind: Kind = Kind.USER


@dataclass(frozen=True, slots=True)
class _Powers:
    scopes: frozenset[str]
    groups: frozenset[str]
    namespaces: frozenset[str]
    kind: str


class Managing:
    """What managers do. Each method is of the author's account.

    Args:
        clock: returns the time in milliseconds since 1970.
    """

    def __init__(
        self,
        store: DirectoryStore,
        directory: Directory,
        passwords: Passwords,
        sign_in: SignIn,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._directory = directory
        self._passwords = passwords
        self._sign_in = sign_in
        self._clock = clock

    # ── Reading ─────────────────────────────────────────────────────────────────────────────────────────

    async def member(self, author: Principal, kind: MemberKind, user_id: str) -> Member | None:
        """A member of this kind; None if there is none."""
        found = await self._store.member(author.account, user_id)
        return found if found is not None and found.kind == kind else None

    async def any_member(self, author: Principal, user_id: str) -> Member | None:
        """A person or a service account; None if there is none."""
        return await self._store.member(author.account, user_id)

    async def called(self, author: Principal, name: str) -> Member | None:
        """The person with this user name; None if there is none."""
        return await self._store.member_of(author.account, OWN_ISSUER, compared(name))

    async def members(self, author: Principal, kind: MemberKind, limit: int, cursor: str | None) -> MemberPage:
        """A page of members; raises ValueError for a strange cursor."""
        return await self._store.members(author.account, kind, limit=limit, cursor=cursor)

    async def groups(self, author: Principal) -> Sequence[Group]:
        """All groups."""
        return await self._store.groups(author.account)

    async def members_of(self, author: Principal, group: str, limit: int, cursor: str | None) -> MemberPage | None:
        """A page of a group's members; None if there is no such group. Raises ValueError for a strange cursor."""
        return await self._store.members_of_group(author.account, group, limit=limit, cursor=cursor)

    async def history(self, author: Principal, user_id: str | None, limit: int, cursor: str | None) -> ChangePage:
        """A page of the changes; raises ValueError for a strange cursor."""
        return await self._store.directory_history(author.account, user_id=user_id, limit=limit, cursor=cursor)

    # ── Members ─────────────────────────────────────────────────────────────────────────────────────────

    async def add(self, author: Principal, wanted: Wanted) -> Member:
        """Add a person.

        Raises:
            Forbidden, Unusable, TooBusy: no.
            Taken: there is somebody with this id, name or subject.
        """
        name = _checked("username", checked_name, wanted.name)
        _check_powers(author, wanted)
        self._check_identity(author, wanted)
        user_id = new_user_id() if wanted.user_id is None else _checked("id", check_user_id, wanted.user_id)
        secret = None
        if wanted.password is not None:
            password = _checked("password", lambda text: check_password(text, name), wanted.password)
            secret = await self._hashed(password)
        issuer = wanted.issuer or OWN_ISSUER
        subject = compared(name) if wanted.issuer is None else str(wanted.subject)
        return await self._added(author, wanted, user_id, issuer, subject, name, secret)

    def _check_identity(self, author: Principal, wanted: Wanted) -> None:
        if not author.is_admin and (wanted.user_id is not None or wanted.issuer is not None):
            raise Forbidden("Only an admin gives an id, or says whom an identity provider signs in.")
        if (wanted.issuer is None) != (wanted.subject is None):
            raise Unusable("subject", "Give `issuer` and `subject` together, or neither.")
        for field_name, text in (("issuer", wanted.issuer), ("subject", wanted.subject)):
            if text is not None and not (0 < len(text) <= LONGEST_SUBJECT and text.isprintable()):
                raise Unusable(field_name, f"It has 1 to {LONGEST_SUBJECT} printable characters.")
        if wanted.subject is not None:
            _checked("subject", check_user_id, wanted.subject)
        if wanted.issuer is not None and wanted.password is not None:
            raise Unusable("password", "Whom an identity provider signs in has no password here.")

    async def add_client(self, author: Principal, wanted: Wanted) -> tuple[Member, str]:
        """Add a service account; return it, and its secret, which nobody can read again.

        Raises:
            Forbidden, Unusable: no.
        """
        name = _checked("name", checked_name, wanted.name)
        _check_powers(author, wanted)
        client_id, secret = new_client_id(), new_client_secret()
        digest = digest_of_secret(secret)
        return await self._added(author, wanted, client_id, OWN_ISSUER, client_id, name, digest), secret

    async def _added(
        self, author: Principal, wanted: Wanted, user_id: str, issuer: str, subject: str, name: str, secret: str | None
    ) -> Member:
        await self._check_groups(author.account, wanted.groups)
        by = self._by(author)
        new = NewMember(
            account=author.account,
            user_id=user_id,
            issuer=issuer,
            subject=subject,
            name=name,
            kind=wanted.kind.value,
            scopes=wanted.scopes,
            namespaces=wanted.namespaces,
            secret=secret,
            created_at=by.at,
            created_by=author.user_id,
        )
        member = await self._store.add_member(new, by)
        for group in sorted(wanted.groups):
            await self._store.join(author.account, group, member.user_id, by, revision=member.revision)
            member = await self._again(member)
        await self._directory.changed()
        return member

    async def edit(
        self,
        author: Principal,
        member: Member,
        *,
        name: str | None = None,
        scopes: frozenset[str] | None = None,
        namespaces: frozenset[str] | None = None,
        password: str | None = None,
        is_disabled: bool | None = None,
        revokes: bool = False,
    ) -> Member:
        """Change a member, as it was read.

        Raises:
            Forbidden, Unusable, TooBusy: no.
            ChangedMeanwhile: it isn't any more as it was read.
        """
        _check_may_change(author, member)
        powers = _Powers(
            member.scopes if scopes is None else scopes,
            frozenset(),
            member.namespaces if namespaces is None else namespaces,
            member.kind,
        )
        _check_powers(author, powers)
        shown = None if name is None else await self._renamed(member, name)
        secret = None
        if password is not None:
            if member.user_id == author.user_id and author.issuer is not None:
                raise Forbidden("Change your own password by the one that you have, at /password.")
            if member.issuer != OWN_ISSUER or member.kind != "user":
                raise Unusable("password", "This server signs in only its own people by password.")
            checked = _checked("password", lambda text: check_password(text, member.name), password)
            secret = await self._hashed(checked)
        edit = Edit(
            name=shown,
            scopes=scopes,
            namespaces=namespaces,
            secret=secret,
            is_disabled=is_disabled,
            revokes=revokes,
        )
        return await self._edited(author, member, edit)

    def check_may_change(self, author: Principal, member: Member) -> None:
        """Check that the author may change what is kept of a member elsewhere.

        Raises:
            Forbidden: no.
        """
        _check_may_change(author, member)

    async def _renamed(self, member: Member, name: str) -> str:
        """What a member is to be called.

        Raises:
            Unusable: it isn't what they sign in with, or it is what somebody else does.
        """
        checked = _checked("name", checked_name, name)
        subject = compared(checked)
        if member.issuer == OWN_ISSUER and member.kind == "user" and subject != member.subject:
            raise Unusable("name", "A user name is what somebody signs in with; only how it is written may change.")
        other = await self._store.member_of(member.account, OWN_ISSUER, subject)
        if other is not None and other.person != member.person:
            raise Unusable("name", "Somebody else signs in with that name; choose another one.")
        return checked

    async def change_own_password(self, author: Principal, old: str, new: str, address: str) -> bool:
        """Set the author's own password; return False if the old one isn't right, or they have none here.

        Raises:
            Unusable, TooBusy: the new one can't be a password.
            NotIssued: too many wrong ones.
            ChangedMeanwhile: the author was changed meanwhile.
        """
        member = await self._store.member(author.account, author.user_id)
        if member is None or member.issuer != OWN_ISSUER or member.kind != "user" or member.secret is None:
            return False
        password = _checked("new_password", lambda text: check_password(text, member.name), new)
        checked = await self._sign_in.check_own(member, old, address)
        if checked is None:
            return False
        await self._edited(author, checked, Edit(secret=await self._hashed(password)))
        return True

    async def _edited(self, author: Principal, member: Member, edit: Edit) -> Member:
        edited = await self._store.edit_member(*member.person, edit, self._by(author), revision=member.revision)
        await self._directory.changed()
        assert edited is not None, "nobody is ever deleted"
        return edited

    async def _again(self, member: Member) -> Member:
        found = await self._store.member(*member.person)
        assert found is not None, "nobody is ever deleted"
        return found

    # ── Groups ──────────────────────────────────────────────────────────────────────────────────────────

    async def add_group(self, author: Principal, name: str, issuer: str | None) -> Group:
        """Add a group, whose members are the directory's, or those whom an issuer's tokens name.

        Raises:
            Forbidden, Unusable: no.
            Taken: there is one.
        """
        if not author.is_admin:
            raise Forbidden("Only an admin adds a group: from then on, it says who is meant by that name.")
        if issuer is not None and not (0 < len(issuer) <= LONGEST_SUBJECT and issuer.isprintable()):
            raise Unusable("issuer", f"It has 1 to {LONGEST_SUBJECT} printable characters.")
        by, checked = self._by(author), _checked("name", checked_name, name)
        group = Group(author.account, checked, issuer or OWN_ISSUER, by.at, author.user_id)
        await self._store.add_group(group, by)
        await self._directory.changed()
        return group

    async def regroup(self, author: Principal, group: Group, member: Member, *, joins: bool) -> None:
        """Put a member into a group, or take them out.

        Raises:
            Forbidden, Unusable: no.
            ChangedMeanwhile: the member isn't any more as it was read.
        """
        if group.issuer != OWN_ISSUER:
            raise Unusable("name", "Tokens of an identity provider say who is in this group.")
        if joins and member.user_id == author.user_id:
            raise Forbidden("Nobody puts themselves into a group; have somebody else do it.")
        _check_may_change(author, member)
        if joins:
            _check_powers(author, _Powers(frozenset(), frozenset({group.name}), frozenset(), Kind.USER))
        do = self._store.join if joins else self._store.leave
        await do(author.account, group.name, member.user_id, self._by(author), revision=member.revision)
        await self._directory.changed()

    async def group(self, author: Principal, name: str) -> Group | None:
        """A group; None if there is none."""
        return next((each for each in await self._store.groups(author.account) if each.name == name), None)

    async def _check_groups(self, account: str, groups: frozenset[str]) -> None:
        if groups:
            known = {each.name for each in await self._store.groups(account) if each.issuer == OWN_ISSUER}
            if not groups <= known:
                raise Unusable("groups", "There is no such group in the directory; add it first.")

    async def _hashed(self, password: str) -> str:
        try:
            return await self._passwords.hashed(password)
        except Busy:
            raise TooBusy("Too many passwords are being set at once; try again in a moment.") from None

    def _by(self, author: Principal) -> By:
        return By(author.user_id, self._clock())


def _check_powers(author: Principal, powers: Powers) -> None:
    """Check what is to be given."""
    if not powers.scopes <= ALL_SCOPES:
        raise Unusable("scopes", f"There is no such scope: use {', '.join(sorted(ALL_SCOPES))}.")
    for namespace in powers.namespaces:
        _checked("namespaces", check_namespace, namespace)
    if not may_give(author, powers):
        raise Forbidden("Nobody gives scopes, groups or namespaces that they don't have themselves.")


def _check_may_change(author: Principal, member: Member) -> None:
    if member.issuer != OWN_ISSUER and not author.is_admin:
        raise Forbidden("Only an admin changes whom an identity provider signs in.")
    if not may_give(author, member):
        raise Forbidden("Nobody changes somebody who may do more than they may themselves.")


def _checked(name: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise Unusable(name, str(error)) from None


__all__ = ["Forbidden", "Managing", "Taken", "TooBusy", "Unusable", "Wanted"]
