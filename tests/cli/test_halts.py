"""Halts of state machines in the terminal: asked with their types, and checked as the server checks them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Cli


def test_each_type_of_field_is_asked_as_what_it_is(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a ticket.pdf").write_bytes(b"%PDF-1.7")
    piped = "Lisbon\n3\ny\nfirst\n2026-05-01\na ticket.pdf, missing.pdf\na ticket.pdf, ./a ticket.pdf\n"
    done = cli("chat", "journey", piped=piped)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "Plan the journey",
        "Where to?",
        "town [text, at most 8 characters] ",
        "people [number, 1 to 10] ",
        "refundable [y/n, optional] ",
        "1: First",
        "class [one of these, optional] ",
        "leaving [date, 2026-01-01 to 2026-12-31, optional] ",
        "papers [paths of files, with commas, .pdf, optional] ",
        "missing.pdf: No such file or directory.",
    ):
        assert words in done.stdout
    assert '"people": 3' in done.stdout or "people = 3" in done.stdout
    assert "3.0" not in done.stdout
    assert len(set(re.findall(r"file_[\w-]{24}", done.stdout))) == 2


def test_file_that_the_field_does_not_take_is_told_by_the_server_and_asked_for_again(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "fake.pdf").write_bytes(b"hello")
    (tmp_path / "file_1").write_bytes(b"a path that looks like an id")
    piped = "Rome\n3\n\n\n\nfake.pdf, file_1\n" + "\n" * 5 + "file_nowhere\n"
    done = cli("chat", "journey", piped=piped)  # and then the input ends
    assert done.stdout.count("is of the type text/plain, and only .pdf is taken here; give another.") == 2
    assert "There is no file 'file_nowhere' of yours" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("Lisbon, Portugal", "This has 16 characters, and at most 8 are allowed; shorten it."),
        ("Rome\n0", "This must be at least 1."),
        ("Rome\n2.5", "This must be 1 plus a multiple of 1."),
        ("Rome\n3\nmaybe", "Please answer y or n."),
        ("Rome\n3\n\n7", "Please choose one of: 1, 2."),
        ("Rome\n3\n\n\n2026-02-30", "This must be a date such as 2026-01-31, and a day of the calendar."),
        ("Rome\n3\n\n\n2027-01-01", "This must be 2026-12-31 or earlier."),
        ("Rome\n3\n\n\n\na, b, c, d, e, f", "These are 6 files, and at most 5 are allowed; leave some out."),
    ],
)
def test_what_doesn_t_fit_is_said_at_once_and_asked_again(cli: Cli, wrong: str, sentence: str) -> None:
    done = cli("chat", "journey", piped=f"{wrong}\n")  # and then the input ends
    assert sentence in done.stdout, done.stdout


def test_an_answer_that_leads_nowhere_is_asked_again(cli: Cli) -> None:
    done = cli("chat", "picky", piped="5\n20\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("amount [number") == 2


def test_a_choice_is_made_by_its_value_its_number_or_its_label(cli: Cli) -> None:
    for answer in ("up", "1", "Upwards"):
        done = cli("chat", "which-way", piped=f"{answer}\n")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Which way?" in done.stdout
        assert "choice = up" in done.stdout


def test_a_transition_is_selected_by_its_key(cli: Cli) -> None:
    done = cli("chat", "selected", piped="nothing\nreject\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Approve the order?" in done.stdout
    assert "choice = reject" in done.stdout


def test_a_message_is_read_and_left(cli: Cli) -> None:
    done = cli("chat", "told", piped="\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Be patient." in done.stdout
    assert "Press Enter to go on." in done.stdout


def test_a_halt_without_a_form_asks_what_it_accepts_or_for_any_object(cli: Cli) -> None:
    done = cli("chat", "described", piped="4\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"count": 4' in done.stdout or "count = 4" in done.stdout
    done = cli("chat", "open", piped='[1]\n{"more": true}\n')
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Please enter a JSON object" in done.stdout
    assert cli("chat", "open", piped="\n").returncode == 0
