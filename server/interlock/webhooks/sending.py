"""One attempt of a delivery: what is sent, and what of the answer is kept.

Laws:
- Whatever the receiver does, an attempt ends in time, and takes memory for no more than the beginning of its answer.
- Of an answer its first `SHOWN` characters are kept, after known secrets were struck out; they are text that every
  database takes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Final

from interlock.outgoing.posting import Answer, NoAnswer, Poster
from interlock.secrets.known import Known
from interlock.secrets.port import STRUCK
from interlock.store.ports.webhooks import Attempt, Due
from interlock.webhooks.events import body_of
from interlock.webhooks.signing import Signed, headers
from interlock_protocol.limits import KIB

ATTEMPT_SECONDS: Final = 30.0
"""How long a receiver may take until the head of its answer is there."""

AGENT: Final = "Interlock-Webhooks"
SHOWN: Final = KIB
READ: Final = 16 * KIB
"""How much of an answer is looked through for secrets: it is cut only after that."""

_UNSHOWN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Sender:
    """Sends deliveries.

    Args:
        known: the secrets that no answer may show.
        cause: returns the headers that tell what caused a run, as far as that is known here.
        clock: returns the time in milliseconds since 1970.
        seconds: as `ATTEMPT_SECONDS`.
    """

    def __init__(
        self,
        known: Known,
        cause: Callable[[str], Mapping[str, str]],
        clock: Callable[[], int],
        seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._known = known
        self._cause = cause
        self._clock = clock
        self.seconds = seconds

    async def attempt(self, poster: Poster, url: str, due: Due, secrets: Sequence[str]) -> Attempt:
        """Send a delivery once.

        Args:
            secrets: what signs it, the latest first.
        """
        at, body = self._clock(), body_of(due)
        signed = Signed(due.id, due.event, due.seq, len(due.attempts), at // 1000)
        fields = {"User-Agent": AGENT, **self._cause(due.run_id), **headers(signed, body, secrets)}
        began = perf_counter()
        code, said = await self._answer(poster, url, fields, body)
        return Attempt(at, code, round((perf_counter() - began) * 1000), said)

    async def _answer(
        self, poster: Poster, url: str, fields: Mapping[str, str], body: bytes
    ) -> tuple[int | None, str | None]:
        try:
            answer = await poster.post(url, fields, body, seconds=self.seconds, most=READ)
        except NoAnswer as error:
            return None, f"{str(error)[0].upper()}{str(error)[1:]}."
        return answer.status, self._shown(answer) or None

    def _shown(self, answer: Answer) -> str:
        text = self._known.strike(_UNSHOWN.sub("", answer.content.decode("utf-8", "replace")))
        if not answer.is_whole and len(text) <= SHOWN and STRUCK in text:
            text = text[: text.rindex(STRUCK) + len(STRUCK)]  # what comes after it may be half of a secret
        return text[:SHOWN]
