"""When people work, for due dates and reminders in working time.

Source: `docs/approvals.md`, "Due dates".
"""

from __future__ import annotations

from interlock.errors import SettingsError
from interlock.settings import Settings
from interlock.workflow.declare.business import Office


def office_of(settings: Settings) -> Office:
    """When people work, by the settings.

    Raises:
        SettingsError: they can't be used.
    """
    try:
        return Office.of(settings.business_hours, settings.business_timezone, settings.business_calendar)
    except ValueError as error:
        sentence = f"INTERLOCK_BUSINESS_HOURS, _TIMEZONE and _CALENDAR can't be used: {error}."
        raise SettingsError(sentence) from None
