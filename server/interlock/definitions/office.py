"""When people work, for due dates and reminders in working time.

Source: `docs/approvals.md`, "Due dates".
"""

from __future__ import annotations

from interlock.errors import SettingsError
from interlock.workflow.declare.business import Office


def office_of(hours: str, timezone: str, calendar: str | None) -> Office:
    """When people work, by what the settings say of it.

    Raises:
        SettingsError: they can't be used.
    """
    try:
        return Office.of(hours, timezone, calendar)
    except ValueError as error:
        sentence = f"INTERLOCK_BUSINESS_HOURS, _TIMEZONE and _CALENDAR can't be used: {error}."
        raise SettingsError(sentence) from None
