"""Release notes from a git repository, drafted before your eyes and written once you have said yes.

    interlock chat release-review --message /path/to/a/repository

The message is the path of a repository on the machine where the server runs (relative paths begin at the folder
where it was started). The workflow

1. reads the commits since the last tag, or all of them when there is none;
2. drafts the notes, a word at a time, so that there is something to watch;
3. asks for the version and the channel;
4. asks whether to write the file, and writes `RELEASE_NOTES-<version>.md` at the top of the repository.

The file is written whole or not at all, and only once, also when the server is killed in the middle. A file of that
name that this run did not write is never touched.

Whoever may start this workflow can have the server read any repository that the server can read: it is an example.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from examples import samples
from examples.samples import example, message_of
from interlock import Ask, Confirm, Step, StepInput, Workflow

SECONDS_PER_TOKEN = 0.02
MAX_COMMITS = 100
GIT_SECONDS = 30
VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?")

GROUPS: dict[str, tuple[str, ...]] = {
    "Added": ("feat", "feature", "add", "build", "create", "implement", "introduce", "support"),
    "Fixed": ("fix", "bugfix", "hotfix", "correct", "repair", "resolve"),
    "Changed": ("perf", "refactor", "change", "improve", "make", "move", "rename", "rework", "update", "use"),
    "Removed": ("revert", "delete", "drop", "remove"),
    "Documentation": ("doc", "docs", "describe", "document", "explain"),
}
BREAKING, OTHER = "Breaking changes", "Other"


class CannotRelease(Exception):  # noqa: N818 - a sentence for people, not a programming error
    """The release can't be made."""


class Release(BaseModel):
    """What a person fills in."""

    version: str = Field(description="The new version, such as 1.4.0 or 2.0.0-rc.1")
    channel: Literal["stable", "beta"] = Field("stable", description="Who gets it")

    @field_validator("version")
    @classmethod
    def _is_a_version(cls, value: str) -> str:
        if not VERSION.fullmatch(value):
            raise ValueError("write a version as 1.4.0 or 2.0.0-rc.1")
        return value


# ── The steps ───────────────────────────────────────────────────────────────────────────────────────────


def read_commits(step_input: StepInput) -> dict[str, Any]:
    """The commits since the last tag, newest first, as many as fit into release notes."""
    repository = _repository(message_of(step_input, samples.repository))
    tag = _last_tag(repository)
    since = "HEAD" if tag is None else f"refs/tags/{tag}..HEAD"
    count = int(_git(repository, "rev-list", "--count", "--no-merges", since))
    if count == 0:
        raise CannotRelease(f"There is nothing to release: {repository} has no commits since {tag}.")
    listed = _git(repository, "log", "--no-merges", f"--max-count={MAX_COMMITS}", "--format=%h %s", since)
    commits = listed.split("\n")
    return {"repository": str(repository), "since": tag, "commits": commits, "left_out": count - len(commits)}


async def draft_notes(step_input: StepInput) -> AsyncIterator[str]:
    """The notes, token by token: the pace of somebody who types."""
    found = step_input.previous_step_content
    for token in re.findall(r"\s*\S+|\s+$", _notes(found["commits"], found["since"], found["left_out"])):
        yield token
        await asyncio.sleep(SECONDS_PER_TOKEN)


def choose_version(step_input: StepInput) -> dict[str, Any]:
    """The release that was asked for, and the file it will have."""
    release: Release = step_input.user_input
    file = Path(step_input.get_step_content("commits")["repository"], f"RELEASE_NOTES-{release.version}.md")
    if file.exists():
        raise CannotRelease(f"{file} exists already; delete it, or release another version.")
    return {"version": release.version, "channel": release.channel, "file": str(file)}


def write_notes(step_input: StepInput) -> str:
    """Write the file, once."""
    release = step_input.previous_step_content
    file = Path(release["file"])
    heading = f"# {release['version']} ({release['channel']})"
    # The mark tells a file that this step wrote, before a crash say, from somebody else's.
    mark = f"<!-- interlock {step_input.idempotency_key} -->"
    _write_once(file, f"{heading}\n\n{step_input.get_step_content('draft')}\n\n{mark}\n", mark)
    return f"Wrote {file}."


workflow = Workflow(
    "release-review",
    name="Release review",
    examples=[example("A small repository")],
    description="Drafts release notes from a git repository, and writes them once you have confirmed.",
    steps=[
        Step("commits", read_commits),
        Step("draft", draft_notes),
        Step("version", choose_version, human_review=Ask(Release, "Which release is this?")),
        Step("publish", write_notes, human_review=Confirm("Write the release notes?", on_reject="cancel")),
    ],
)


# ── Git ─────────────────────────────────────────────────────────────────────────────────────────────────


def _repository(message: Any) -> Path:
    """The top folder of the repository that the message names."""
    if not isinstance(message, str) or not message.strip() or "\x00" in message:
        raise CannotRelease("The message must be the path of a git repository, such as /home/me/project.")
    folder = Path(message.strip()).expanduser().absolute()
    if not folder.is_dir():
        raise CannotRelease(f"There is no folder {folder} on the server's machine.")
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
    except CannotRelease as error:
        raise CannotRelease(f"{folder} is not a git repository with files in it. ({error})") from error
    try:
        _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except CannotRelease as error:
        raise CannotRelease(f"{top} has no commits yet; there is nothing to release.") from error
    return Path(top)


def _last_tag(repository: Path) -> str | None:
    try:
        return _git(repository, "describe", "--tags", "--abbrev=0")
    except CannotRelease:
        return None


def _git(folder: Path, *arguments: str) -> str:
    """What git says, without a shell, a pager, a prompt, or anything that the repository itself tells git to run."""
    command = ["git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**inherited, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise CannotRelease("The server's machine has no git; install it first.") from error
    except subprocess.TimeoutExpired as error:
        raise CannotRelease(f"git took more than {GIT_SECONDS} seconds in {folder}.") from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise CannotRelease(words[0] if words else f"git {arguments[0]} failed in {folder}.")
    return done.stdout.decode(errors="replace").strip()


# ── Notes ───────────────────────────────────────────────────────────────────────────────────────────────


def _notes(commits: Sequence[str], since: str | None, left_out: int) -> str:
    groups: dict[str, list[str]] = {name: [] for name in (BREAKING, *GROUPS, OTHER)}
    for commit in commits:
        name, _, subject = commit.partition(" ")
        group, text = _sort(subject)
        groups[group].append(f"- {text} ({name})")
    opening = "Everything so far." if since is None else f"Changes since {since}."
    parts = [opening, *(f"## {name}\n\n" + "\n".join(lines) for name, lines in groups.items() if lines)]
    if left_out:
        parts.append(f"Earlier commits that are left out: {left_out}.")
    return "\n\n".join(parts)


def _sort(subject: str) -> tuple[str, str]:
    """The group of a commit, and what to say of it: by its prefix ("fix(parser)!: …"), or else by its first word."""
    prefixed = re.match(r"(\w+)(?:\([^)]*\))?(!?):\s*(\S.*)", subject)
    if prefixed is None:
        return _group(subject.split(maxsplit=1)[0] if subject else ""), subject
    kind, breaking, text = prefixed.groups()
    return BREAKING if breaking else _group(kind), text


def _group(word: str) -> str:
    return next((name for name, words in GROUPS.items() if word.lower() in words), OTHER)


def _write_once(file: Path, text: str, mark: str) -> None:
    """Write a file whole or not at all, never over another's; again, with the same mark, is fine.

    The name is taken by a hard link: unlike a rename, it fails when somebody else has taken it meanwhile.
    """
    partial = file.with_name(f".{file.name}.{mark.split()[2]}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        try:
            os.link(partial, file)
        except FileExistsError:
            if mark not in file.read_text(encoding="utf-8", errors="replace"):
                raise CannotRelease(f"{file} was made by somebody else meanwhile; nothing was written.") from None
    except OSError as error:
        raise CannotRelease(f"{file} can't be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
