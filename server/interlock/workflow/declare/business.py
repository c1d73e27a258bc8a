"""Business time: days and hours that count only while people work, by a calendar of public holidays.

Laws:
- Times are worked out once, when a question comes up, and then stand in it: a later change of the settings, or of what
  is known of holidays, moves nothing.
- Time counts within the working hours of working days only. A day is as long as these hours are; so two days after
  Friday at noon it is Tuesday at noon.

Source: `docs/approvals.md`, "Due dates".
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from interlock_protocol.types import JsonObject

MOST_DAYS: Final = 1000
"""How many working days a time may be away."""

_LOOKED_AT: Final = 20 * MOST_DAYS
"""After how many days without enough working time nobody looks any further."""

_WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(r"([a-z]{3})-([a-z]{3}) ([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Office:
    """When people work, where nothing else is said.

    Args:
        weekdays: from 0, for Monday.
        opens, closes: minutes after midnight.
        timezone: a name such as `Europe/Berlin`.
        calendar: of the public holidays, such as `DE` or `DE-BY`; None is one without any.
    """

    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    opens: int = 9 * 60
    closes: int = 17 * 60
    timezone: str = "UTC"
    calendar: str | None = None

    @classmethod
    def of(cls, hours: str, timezone: str, calendar: str | None) -> Office:
        """The office with these hours, such as `mon-fri 09:00-17:00`.

        Raises:
            ValueError: one of them can't be used.
        """
        found = _HOURS.fullmatch(hours.strip().lower())
        names = () if found is None else found.groups()[:2]
        if found is None or not set(names) <= set(_WEEK):
            raise ValueError("hours are written like mon-fri 09:00-17:00")
        first, last = map(_WEEK.index, names)
        opens, closes = (int(found[each]) * 60 + int(found[each + 1]) for each in (3, 5))
        if first > last or not opens < closes <= 24 * 60:
            raise ValueError("the first day, and the opening, come before the last, and the closing")
        if not is_timezone(timezone) or not (calendar is None or is_calendar(calendar)):
            raise ValueError("there is no such time zone, or calendar")
        return cls(tuple(range(first, last + 1)), opens, closes, timezone, calendar)


OFFICE: Final = Office()


@dataclass(frozen=True, slots=True)
class BusinessTime:
    """A time that counts only while people work: as `INTERLOCK_BUSINESS_HOURS` says, without public holidays.

    Args:
        days: working days; one is as long as the working hours are.
        hours: and hours.
        calendar: whose holidays: a country (`DE`), or a part of it (`DE-BY`); by default that of the settings.
        timezone: a name such as `Europe/Berlin`; by default that of the settings.
    """

    days: float = 0
    _: KW_ONLY
    hours: float = 0
    calendar: str | None = None
    timezone: str | None = None

    def after(self, now: int, office: Office = OFFICE) -> int:
        """The time that is so much later, in milliseconds since 1970, as `now` is."""
        zone = ZoneInfo(self.timezone or office.timezone)
        left = timedelta(minutes=self.days * (office.closes - office.opens), hours=self.hours)
        begin = datetime.fromtimestamp(now / 1000, UTC)
        off = holidays_of(self.calendar or office.calendar)
        for opens, closes in _working(begin.astimezone(zone).date(), zone, office, off):
            begin = max(begin, opens)
            worked = max(closes - begin, timedelta())
            if left <= worked and begin < closes:
                return _ms(begin + left)
            left -= worked
        return _ms(begin)


Span: TypeAlias = float | BusinessTime
"""A number of seconds, or business time."""


def time_after(span: Span, now: int, office: Office = OFFICE) -> int:
    """The time so much later than `now`, both in milliseconds since 1970."""
    return span.after(now, office) if isinstance(span, BusinessTime) else now + round(span * 1000)


def _working(first: date, zone: ZoneInfo, office: Office, off: Container[date]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the working hours of each working day, from the first day on."""
    for number in range(_LOOKED_AT):
        day = first + timedelta(days=number)
        if day.weekday() in office.weekdays and day not in off:
            midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
            # On the clock of the wall, and then in UTC: a day with a change of the clock has its hours all the same.
            yield tuple((midnight + timedelta(minutes=each)).astimezone(UTC) for each in (office.opens, office.closes))  # type: ignore[misc]


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


# ── Calendars ───────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=64)
def holidays_of(calendar: str | None) -> Container[date]:
    """The public holidays of a calendar, of any year."""
    if calendar is None:
        return ()
    import holidays  # the library is large, and few need it

    country, _, part = calendar.partition("-")
    found: Container[date] = holidays.country_holidays(country, subdiv=part or None)
    return found


@lru_cache(maxsize=256)
def is_calendar(calendar: str) -> bool:
    """Return True if there is a calendar of this name."""
    try:
        holidays_of(calendar)
    except (NotImplementedError, ImportError, AttributeError):
        return False
    return True


@lru_cache(maxsize=256)
def is_timezone(name: str) -> bool:
    """Return True if there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


# ── Checking ────────────────────────────────────────────────────────────────────────────────────────────


def fault_of_span(span: object, most: float) -> str | None:
    """Why this is no time to come, as a sentence; None if it is one.

    Args:
        most: how many seconds it may be.
    """
    if isinstance(span, BusinessTime):
        return _fault_of_business(span)
    if isinstance(span, bool) or not isinstance(span, int | float) or not 0 < span <= most:
        return f"a time is a number of seconds above 0, or BusinessTime(…), not {span!r}."
    return None


def _fault_of_business(span: BusinessTime) -> str | None:
    given = (span.days, span.hours)
    is_time = all(isinstance(each, int | float) and not isinstance(each, bool) and each >= 0 for each in given)
    if not is_time or not 0 < span.days + span.hours / 24 <= MOST_DAYS:
        return f"business time has days, or hours, above 0 and up to {MOST_DAYS} days."
    if span.calendar is not None and not (isinstance(span.calendar, str) and is_calendar(span.calendar)):
        return f"there is no calendar {span.calendar!r}; write a country such as 'DE', or a part of it such as 'DE-BY'."
    if span.timezone is not None and not (isinstance(span.timezone, str) and is_timezone(span.timezone)):
        return f"there is no time zone {span.timezone!r}; write one such as 'Europe/Berlin'."
    return None


def span_in(wire: Any) -> Span:
    """A time as definitions in JSON have it: a number of seconds, or the fields of business time."""
    if isinstance(wire, Mapping):
        given: JsonObject = {name: value for name, value in wire.items() if value is not None}
        return BusinessTime(given.pop("days", 0), **given)  # type: ignore[arg-type]
    seconds: float = wire
    return seconds
