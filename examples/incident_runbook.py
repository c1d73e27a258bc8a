"""What to do about the errors in a log: found, approved by two people at once, carried out, and written down.

    mkdir /tmp/incident && cp examples/data/incident.log /tmp/incident
    interlock chat incident-runbook --message /tmp/incident/incident.log

The message is the path of a log on the machine where the server runs, one entry a line:

    2025-03-31T02:14:07Z ERROR payments no free connection to db-2 after 5000 ms

Lines that don't begin so belong to the entry above. The runbook

1. reads the log, twice more if it can't at first (it may just be rotated), and for ten seconds at most;
2. finds the service with the most errors, and when they began. With fewer than ten it only says so;
3. asks two people at the same time: bob, or whoever is on call, to restart the service, and carol, or somebody of the
   group `communications`, to tell the customers. When nobody is there for the restart within fifteen minutes, the run
   is cancelled; the customers are told after five minutes, unless somebody objects;
   A restart is ordered by a file beside the log, `restart-payments`, which a supervisor watches; what the customers are
   told is in `status.txt`;
4. packs the evidence into a file beside the log. If that fails (the disk is full, the folder can't be written), the run
   waits for a person, who puts it right and says `retry`, or goes on without;
5. writes the timeline: what happened, what was decided, and by when.

To see two people, serve it to them:

    export INTERLOCK_TOKENS='[
      {"token": "alice-0123456789abcdef", "user_id": "alice"},
      {"token": "bob-0123456789abcdef", "user_id": "bob"},
      {"token": "carol-0123456789abcdef", "user_id": "carol", "groups": ["communications"]}]'
    interlock serve examples:workflows

alice starts it; bob and carol answer in terminals of their own (the run's id is in alice's):

    INTERLOCK_TOKEN=bob-0123456789abcdef interlock chat --run RUN_ID

With the token that the server makes up for itself you are an admin, who may decide for both, and says why:

    interlock chat --run RUN_ID --as bob --as carol --reason "they told me by phone"
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

from examples.samples import copy_of, example, message_of
from interlock import Condition, Confirm, ErrorReview, Parallel, Step, StepInput, Workflow

ENTRY = re.compile(r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) +(?P<level>[A-Z]+) +(?P<service>[\w.-]+) +(?P<text>.*)")
BAD = ("ERROR", "CRITICAL", "FATAL")
MAX_BYTES = 8 * 2**20
RESTART, TELL = "restart", "tell customers"


class CannotRun(Exception):  # noqa: N818 - a sentence for people, not a programming error
    """The runbook can't go on."""


class Entry(TypedDict):
    """One entry of a log: `at` is UTC, to the second, and `lines` are all of it."""

    at: str
    level: str
    service: str
    text: str
    lines: list[str]


# ── The steps ───────────────────────────────────────────────────────────────────────────────────────────


def find_incident(step_input: StepInput) -> dict[str, Any]:
    """The service that has most errors, and the facts about them."""
    log = _path(message_of(step_input, copy_of("incident.log")))
    entries = _entries(_text(log))
    bad = [entry for entry in entries if entry["level"] in BAD]
    facts: dict[str, Any] = {"log": str(log), "entries": len(entries), "errors": 0}
    if not bad:
        return facts
    (service, count), *others = Counter(entry["service"] for entry in bad).most_common()
    found = [entry for entry in bad if entry["service"] == service]
    (worst, _), *_ = Counter(entry["text"] for entry in found).most_common(1)
    return facts | {
        "errors": count,
        "service": service,
        "also": [name for name, _ in others],
        "first": found[0]["at"],
        "last": found[-1]["at"],
        "mostly": worst,
    }


def describe(step_input: StepInput) -> Iterator[str]:
    """The incident in words, for those who decide."""
    facts = step_input.previous_step_content
    yield f"{facts['service']} has {facts['errors']} errors between {facts['first']} and {facts['last']}"
    yield f", mostly: {facts['mostly']}."
    if facts["also"]:
        yield f" Errors in {', '.join(facts['also'])} may follow from them."


def say_calm(step_input: StepInput) -> str:
    facts = step_input.previous_step_content
    return f"Errors among the {facts['entries']} entries of {facts['log']}: {facts['errors']}. Nothing to do."


def order_restart(step_input: StepInput) -> str:
    """Leave the order for the supervisor: by its key it knows one that it has carried out already."""
    facts = step_input.get_step_content("incident")
    file = Path(facts["log"]).with_name(f"restart-{facts['service']}")
    _write_whole(file, f"{step_input.idempotency_key}\n".encode())
    return f"ordered, by {file}"


def tell_customers(step_input: StepInput) -> str:
    """Put the notice where the status page takes it from."""
    facts = step_input.get_step_content("incident")
    notice = f"Since {facts['first']} some requests to {facts['service']} fail. We are working on it."
    _write_whole(Path(facts["log"]).with_name("status.txt"), f"{notice}\n".encode())
    return notice


def pack_evidence(step_input: StepInput) -> dict[str, Any]:
    """Write the entries of the incident to a file beside the log; again, after a crash, it is the same file."""
    facts = step_input.get_step_content("incident")
    log = Path(facts["log"])
    found = [
        entry
        for entry in _entries(_text(log))
        if entry["service"] in (facts["service"], *facts["also"]) and facts["first"] <= entry["at"] <= facts["last"]
    ]
    file = log.with_name(f"{log.name}.{facts['first'].replace(':', '')}.gz")
    text = "\n".join(line for entry in found for line in entry["lines"]) + "\n"
    _write_whole(file, gzip.compress(text.encode(), mtime=0))
    return {"file": str(file), "entries": len(found), "bytes": file.stat().st_size}


def write_timeline(step_input: StepInput) -> str:
    """What happened, for those who come after."""
    facts = step_input.get_step_content("incident")
    evidence, notice = step_input.get_step_content("evidence"), step_input.get_step_content(TELL)
    kept = f"{evidence['entries']} entries in {evidence['file']}" if evidence else "not kept"
    return "\n".join(
        [
            f"# Incident in {facts['service']}, {facts['first']}",
            "",
            f"- {facts['first']}: the first of {facts['errors']} errors, mostly: {facts['mostly']}",
            f"- {facts['last']}: the last one in the log",
            f"- Restart: {step_input.get_step_content(RESTART) or 'turned down'}",
            f"- Customers: {notice or 'not told'}",
            f"- Evidence: {kept}",
        ]
    )


workflow = Workflow(
    "incident-runbook",
    name="Incident runbook",
    examples=[example("A night with errors")],
    description="Finds the incident in a log, has two people approve what to do about it, and writes it down.",
    steps=[
        Step("incident", find_incident, retries=2, time_limit=10),
        Condition(
            "is it one?",
            "previous_step_content.errors >= 10",
            steps=[
                Step("description", describe),
                Parallel(
                    "measures",
                    [
                        Step(
                            RESTART,
                            order_restart,
                            human_review=Confirm(
                                "Restart the service?",
                                assignees=["bob", "group:on-call"],
                                timeout=15 * 60,
                                on_timeout="cancel",
                            ),
                        ),
                        Step(
                            TELL,
                            tell_customers,
                            human_review=Confirm(
                                "Tell the customers?",
                                assignees=["carol", "group:communications"],
                                timeout=5 * 60,
                                on_timeout="approve",
                            ),
                        ),
                    ],
                ),
                Step(
                    "evidence",
                    pack_evidence,
                    retries=1,
                    on_error="pause",
                    human_review=ErrorReview(timeout=60 * 60, on_timeout="skip"),
                ),
                Step("timeline", write_timeline),
            ],
            else_steps=[Step("calm", say_calm)],
        ),
    ],
)


# ── The log ─────────────────────────────────────────────────────────────────────────────────────────────


def _path(message: Any) -> Path:
    if not isinstance(message, str) or not message.strip() or "\x00" in message:
        raise CannotRun("The message must be the path of a log, such as examples/data/incident.log.")
    return Path(message.strip()).expanduser().absolute()


def _text(log: Path) -> str:
    """The log, whole. What isn't UTF-8 in it is shown as such: a log is never refused for one line."""
    if not log.is_file():
        raise CannotRun(f"There is no file {log} on the server's machine.")
    if log.stat().st_size > MAX_BYTES:
        raise CannotRun(f"{log} is larger than {MAX_BYTES // 2**20} MiB; cut out the time in question.")
    try:
        return log.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise CannotRun(f"{log} can't be read: {error.strerror}.") from error


def _entries(text: str) -> Sequence[Entry]:
    """The entries of a log; lines that aren't the beginning of one belong to the one above.

    Raises:
        CannotRun: no line is the beginning of an entry.
    """
    entries: list[Entry] = []
    for line in text.splitlines():
        begins = ENTRY.match(line)
        if begins:
            at, level, service, said = begins.groups()
            entries.append(Entry(at=at, level=level, service=service, text=said, lines=[line]))
        elif entries:
            entries[-1]["lines"].append(line)
    if not entries:
        raise CannotRun("No line of it looks like `2025-03-31T02:14:07Z ERROR payments what happened`.")
    return entries


def _write_whole(file: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(file)
    except OSError as error:
        raise CannotRun(f"{file} can't be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
