"""The interface of the writes, as the store calls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection

Parameters: TypeAlias = dict[str, Any]

NOTHING_PENDING = "[]"


class Writes(Protocol):
    """Rows are passed as parameters, named as the columns except for `key`, `settled` and `snapshot`.

    - `key`: `key_user`, `key_name`, `key_fingerprint`, `key_run`, `key_at`; `cutoff`: older keys have expired.
    - `settled`: `of_run`, and `new_` before the columns' names.
    - `snapshot`: `snapshot_run`, `_epoch`, `_index`, `_version`, `_state`.
    """

    def create_run(self, connection: Connection, run: Parameters) -> None:
        """Insert the run and its first change."""

    def create_run_once(self, connection: Connection, run: Parameters, key: Parameters) -> bool:
        """As `create_run`, and remember the key; or, if the key is in use, write nothing and return False."""

    def settle(
        self,
        connection: Connection,
        settled: Parameters,
        assignees: Sequence[str],
        waiting: Sequence[Parameters],
        snapshot: Parameters | None,
    ) -> bool:
        """Move the row on if `statements.runs.SETTLE` does, and only then write the rest, and return True.

        Args:
            waiting: what waits now; any other row of the run is deleted.
        """

    def record(
        self, connection: Connection, made: Parameters, decisions: Sequence[Parameters], key: Parameters | None
    ) -> bool:
        """If `statements.decisions.IS_IN_EPOCH` finds the run: insert the decisions that are new or of a later epoch,
        remember the key unless it is in use, and return True."""

    def open_session(self, connection: Connection, session: Parameters) -> None:
        """Insert the session unless it is there."""

    def mark_session(self, connection: Connection, mark: Parameters) -> None:
        """Insert the mark, or replace the run's earlier one."""

    def leave_messages(self, connection: Connection, messages: Sequence[Parameters]) -> None:
        """Insert the messages that are new."""

    def keep_addresses(self, connection: Connection, addresses: Parameters) -> None:
        """Insert the addresses of a person, or replace those that are there."""

    def keep_sights(self, connection: Connection, sights: Sequence[Parameters]) -> None:
        """Insert who saw what, or add to it what isn't known yet; at least one is given."""

    def keep_errors(self, connection: Connection, errors: Sequence[Parameters]) -> None:
        """Insert the errors that are new; at least one is given."""

    def tell_milestones(self, connection: Connection, run_id: str, now: int, milestones: Sequence[Parameters]) -> int:
        """Insert the events that are new and that a subscription matches, and a delivery for each of those; return how
        many deliveries.

        Args:
            milestones: at least one, in order: `epoch`, `event_index`, `event`, `at`, `data`.
        """

    def number_version(self, connection: Connection, name: Parameters, *, only_new: bool) -> int | None:
        """Insert the name, whose `last_number` is 1, or raise the `last_number` of the one that is there; return it.

        The name's row is locked from then on. With `only_new`, return None if the name is there.
        """
