"""`interlock chat`: on a pipe and on a terminal."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from tests.cli.conftest import Cli, OpenTerminal
from tests.faults.proxy import proxied
from tests.support.live import BOB, ROOT, Live, eventually

from interlock_client import Conflict, NotFound, connect
from interlock_protocol.limits import MAX_EDITED_OUTPUT_BYTES, MAX_FEEDBACK_BYTES, MAX_REASON


def run_id_in(text: str) -> str:
    found = re.search(r"run (run-\w+)", text)
    assert found, text
    return found[1]


# ── On a pipe ───────────────────────────────────────────────────────────────────────────────────────────


def test_run_is_shown_with_its_steps_and_tokens(cli: Cli) -> None:
    done = cli("chat", "draft", "--message", "hello")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"draft  run run-\w+", lines[0])
    assert lines[1:4] == ["● draft", "  Dear all,", "  it is done."]
    assert re.fullmatch(r"✓ draft  \d+ ms", lines[4])
    assert re.fullmatch(r"Completed in .*\.", lines[5])
    assert len(lines) == 6


def test_yes_goes_on(cli: Cli) -> None:
    done = cli("chat", "confirmed", piped="y\n")
    assert done.returncode == 0
    assert "Publish?\n[y/n]" in done.stdout
    assert "→ publish: approved" in done.stdout


def test_no_asks_what_then_and_why(cli: Cli) -> None:
    done = cli("chat", "confirmed", piped="n\ncancel\ntoo early\n")
    assert done.returncode == 3
    assert "1) skip: skip it and go on" in done.stdout
    assert "→ publish: rejected, then cancel, “too early”" in done.stdout
    assert cli("chat", "confirmed", piped="no\n\n\n").returncode == 0


def test_form_is_asked_field_by_field_and_again_where_it_is_wrong(cli: Cli) -> None:
    done = cli("chat", "form", piped="\n1.4\n3\n2\nmany\n7\nperhaps\ny\n")
    assert done.returncode == 0, done.stdout
    for sentence in (
        "version is required.",
        "1) stable",
        "Please choose one of: stable, beta.",
        "Please enter a whole number.",
        "Please answer y or n.",
    ):
        assert sentence in done.stdout
    assert "→ publish: version = 1.4, channel = beta, count = 7, urgent = true" in done.stdout


def test_defaults_are_an_empty_line(cli: Cli) -> None:
    done = cli("chat", "form", piped="1.4\n\n\nn\n")
    assert done.returncode == 0
    assert "channel [str, stable]" in done.stdout
    assert '"count": 3' in done.stdout


def test_routes_are_chosen_by_number_or_name(cli: Cli) -> None:
    done = cli("chat", "choice", piped="2, quick\n")
    assert done.returncode == 0
    assert "⇢ how  quick, deep" in done.stdout
    assert "→ how: chose deep" in cli("chat", "choice", piped="none\ndeep\n").stdout


def test_reviewed_output_is_shown_once_and_approved(cli: Cli) -> None:
    done = cli("chat", "reviewed", piped="y\n")
    assert done.returncode == 0, done.stdout
    assert "Is it right?\n[y/n/e]" in done.stdout
    assert done.stdout.count("a letter") == 1
    streamed = cli("chat", "reviewed-stream", piped="y\n").stdout
    assert streamed.count("it is done.") == 1


def test_reviewed_output_is_sent_back_with_feedback(cli: Cli) -> None:
    done = cli("chat", "reviewed", piped="n\nretry\nlonger\ny\n")
    assert done.returncode == 0, done.stdout
    assert "3) retry: do it again" in done.stdout
    assert "→ letter: rejected, then retry, “longer”" in done.stdout
    assert "  a letter, longer" in done.stdout
    assert "sent back 1 of at most 3 times" in done.stdout


def test_reviewed_output_is_written_anew_line_by_line(cli: Cli) -> None:
    done = cli("chat", "reviewed", piped="e\nDear all,\n\nyours\n.\n", EDITOR="false")
    assert done.returncode == 0, done.stdout
    assert "Write it anew" in done.stdout
    assert "→ letter: approved, edited the output" in done.stdout
    assert "  Dear all,\n  \n  yours\n✓ letter" in done.stdout


def test_reviewed_table_is_written_anew_as_json(cli: Cli) -> None:
    done = cli("chat", "reviewed-table", piped='e\n{"rows": \n.\n[4]\n.\ne\n{"rows": 4}\n.\n')
    assert done.returncode == 0, done.stdout
    assert "That isn't JSON" in done.stdout
    assert "The output is an object; give an object." in done.stdout
    assert '"rows": 4' in done.stdout


def test_reviewed_output_may_become_null(cli: Cli) -> None:
    done = cli("chat", "reviewed-table", piped="e\nnull\n.\n")
    assert done.returncode == 0, done.stdout
    assert "→ table: approved, edited the output" in done.stdout
    assert "Nothing was changed." not in done.stdout


def test_nothing_changed_is_nothing_decided(cli: Cli) -> None:
    done = cli("chat", "reviewed", piped="e\na letter\n.\nwhat\ny\n")
    assert done.returncode == 0, done.stdout
    assert "Nothing was changed." in done.stdout
    assert "Please answer y, n, or e to edit it." in done.stdout
    assert "→ letter: approved\n" in done.stdout


def test_iterations_are_reviewed(cli: Cli) -> None:
    done = cli("chat", "improved", piped="n\nretry\nshorter\ny\n")
    assert done.returncode == 0, done.stdout
    assert "a letter, shorter" in done.stdout
    assert "improve waits for a review of this iteration." in done.stdout


def test_tools_are_decided_one_by_one(cli: Cli) -> None:
    answers = ["n", "not mine", "e", '{"path": "/tmp/z"}', ".", "bob", "two", "2", "red", "", "7 rows"]
    done = cli("chat", "office", piped="\n".join([*answers, ""]))
    assert done.returncode == 0, done.stdout
    for sentence in (
        "  ⚒ delete\n    path: /tmp/x\n    force: true\n",
        "→ clerk: delete rejected, “not mine”",
        "→ clerk: rename approved with other arguments",
        "Please enter a whole number.",
        "Which?",
        "1) red (like wine)",
        "Please give it;",
        "delete failed: not mine",
    ):
        assert sentence in done.stdout, sentence
    assert done.stdout.count("  ⚒ delete\n") == 1
    assert '"call-5",\n' in done.stdout, "the output isn't what was streamed"


def test_tools_that_were_decided_stay_so_when_the_input_ends(cli: Cli) -> None:
    done = cli("chat", "two-tools", piped="y\n")
    assert done.returncode == 4
    again = cli("chat", "--run", run_id_in(done.stdout), piped="y\n")
    assert again.returncode == 0, again.stdout
    assert "⚒ delete\n" not in again.stdout


def test_text_that_is_too_long_is_refused_once_and_asked_again(cli: Cli) -> None:
    feedback = "x" * (MAX_FEEDBACK_BYTES + 1)
    output = "\n".join(["y" * 1000] * (MAX_EDITED_OUTPUT_BYTES // 1000 + 1))
    done = cli("chat", "reviewed", piped=f"n\nretry\n{feedback}\ne\n{output}\n.\ny\n")
    assert done.returncode == 0, done.stdout
    for sentence in ("rejection_feedback: This is over 64 KiB;", "edited_output: This is over 256 KiB;"):
        assert done.stdout.count(sentence) == 1
    assert done.stdout.count("can't be taken") == 2
    assert "→ letter: approved\n" in done.stdout


def test_failed_step_is_decided_on(cli: Cli) -> None:
    done = cli("chat", "mended", piped="perhaps\nretry\n")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the printer is on fire") == 1
    assert "print waits for a decision about an error." in done.stdout
    assert "→ print: retry" in done.stdout
    assert cli("chat", "mended", piped="3\n").returncode == 3
    assert cli("chat", "mended", piped="skip\n").returncode == 0


def test_timeout_is_said_once(cli: Cli) -> None:
    done = cli("chat", "patient", piped="y\n")
    assert done.returncode == 0, done.stdout
    assert re.search(r"in (2 h|119 min) \(\d{4}-\S+ \S+ \S+\) without an answer, the run is cancelled", done.stdout)
    assert "left" not in done.stdout


def test_end_of_input_leaves_the_run_waiting_and_says_how_to_come_back(cli: Cli) -> None:
    done = cli("chat", "twice", piped="y\n")
    assert done.returncode == 4
    run_id = run_id_in(done.stdout)
    assert "There is no more input; the run is left waiting." in done.stdout
    assert f"interlock chat --run {run_id}" in done.stdout
    again = cli("chat", "--run", run_id, piped="y\n")
    assert again.returncode == 0, again.stdout
    assert "→ first: approved" in again.stdout


def test_run_that_fails_is_an_exit_code(cli: Cli) -> None:
    done = cli("chat", "broken")
    assert done.returncode == 1
    assert "Failed: the printer is on fire (RuntimeError)" in done.stdout


def test_what_a_workflow_says_is_not_obeyed(cli: Cli) -> None:
    done = cli("chat", "escape")
    assert "[bold]not markup[/bold] \N{REPLACEMENT CHARACTER}[31mnot red\N{REPLACEMENT CHARACTER}" in done.stdout


def test_unknown_workflow_and_unusable_arguments_are_one_sentence(cli: Cli) -> None:
    done = cli("chat", "nothing")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.count("\n") == 1
    assert "nothing" in done.stderr
    assert cli("chat").returncode == 2
    assert cli("chat", "draft", "--run", "x").returncode == 2


# ── On a terminal ───────────────────────────────────────────────────────────────────────────────────────


def test_terminal_asks_and_shows_at_once(terminal: OpenTerminal) -> None:
    with terminal("chat", "twice") as screen:
        screen.expect("first?\n")
        screen.expect("[y/n] ")
        screen.type("y\n")
        screen.expect("→ first: approved")
        screen.expect("[y/n] ")
        screen.type("n\n")
        screen.expect("What then? [skip] ")
        screen.type("\n")
        screen.expect("Why? (optional) ")
        screen.type("\n")
        screen.expect("→ second: rejected, then skip")
        assert screen.end() == 0


def test_what_was_typed_before_a_question_doesn_t_answer_it(terminal: OpenTerminal) -> None:
    with terminal("chat", "twice") as screen:
        screen.expect("[y/n] ")
        screen.type("y\ny\ny\n")
        screen.expect("second?")
        screen.expect("[y/n] ")
        screen.type("n\n")
        screen.expect("What then?")


def test_secret_is_typed_unseen_and_a_step_that_failed_asks_for_its_input_again(terminal: OpenTerminal) -> None:
    with terminal("chat", "sign-in") as screen:
        screen.expect("user [str] ")
        screen.type("ann\n")
        screen.expect("password [secret] ")
        screen.type("mistyped\n")
        screen.expect("→ sign in: user = ann, password = ••••")
        screen.expect("edit: do it again with other input")
        screen.expect("What now? ")
        screen.type("edit\n")
        screen.expect("user [str, ann] ")
        screen.type("\n")
        screen.expect("password [secret] ")
        screen.type(" hunter-2\n")
        screen.expect("ann is in")
        assert screen.end() == 0
        assert "hunter-2" not in screen.said
        assert "mistyped" not in screen.said


def test_secret_is_read_from_a_pipe(cli: Cli) -> None:
    done = cli("chat", "sign-in", piped="ann\n hunter-2\n")
    assert done.returncode == 0, done.stdout
    assert "hunter-2" not in done.stdout


async def test_decision_made_elsewhere_closes_the_question(live: Live, terminal: OpenTerminal) -> None:
    with terminal("chat", "twice") as screen:
        run_id = run_id_in(screen.expect("[y/n] "))
        screen.type("half an ans")
        async with connect(live.http_url, token=ROOT) as client:
            run = await client.follow(run_id)
            while run.status != "PAUSED":
                await anext(run)
            await run.pending[0].confirm()
        screen.expect("→ first: root: approved")
        screen.expect("second?")
        screen.expect("[y/n] ")
        screen.type("y\n")
        assert screen.end() == 0


EDITOR = """
import pathlib, sys, time
file = pathlib.Path(sys.argv[1])
gate = pathlib.Path({gate!r})
text = file.read_text()
file.write_text(text.replace("letter", "poem"))
gate.with_suffix(".open").write_text(text)
while not gate.exists():
    time.sleep(0.01)
"""


def an_editor(folder: Path, *, gate: str = "/") -> str:
    """An editor that makes a poem of a letter, and is closed when the file `gate` is there."""
    program = folder / "editor.py"
    program.write_text(EDITOR.format(gate=gate))
    return f"{sys.executable} {program}"


def test_output_is_edited_in_the_person_s_editor(terminal: OpenTerminal, tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")
    Path(gate).touch()
    with terminal("chat", "reviewed", EDITOR="false", VISUAL=an_editor(tmp_path, gate=gate)) as screen:
        screen.expect("[y/n/e] ")
        screen.type("e\n")
        screen.expect("→ letter: approved, edited the output")
        screen.expect("  a poem\n✓ letter")
        assert screen.end() == 0
    assert (tmp_path / "gate.open").read_text() == "a letter"


def test_editor_that_fails_decides_nothing(terminal: OpenTerminal) -> None:
    for editor, sentence in (("false", "ended with 1"), ("/no/such/editor", "can't be started")):
        with terminal("chat", "reviewed", VISUAL=None, EDITOR=editor) as screen:
            screen.expect("[y/n/e] ")
            screen.type("e\n")
            screen.expect(sentence)
            screen.expect("[y/n/e] ")
            screen.type("y\n")
            assert screen.end() == 0


async def test_editor_is_left_to_the_person_when_somebody_else_decides(
    live: Live, terminal: OpenTerminal, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with terminal("chat", "reviewed", VISUAL=an_editor(tmp_path, gate=str(gate))) as screen:
        run_id = run_id_in(screen.expect("[y/n/e] "))
        screen.type("e\n")
        await eventually((tmp_path / "gate.open").exists)
        screen.interrupt()
        async with connect(live.http_url, token=ROOT) as client:
            run = await client.follow(run_id)
            while run.status != "PAUSED":
                await anext(run)
            await run.pending[0].confirm()
            await run.wait()
        assert "→ letter" not in screen.said
        gate.touch()
        screen.expect("→ letter: root: approved")
        assert await asyncio.to_thread(screen.end) == 0


def test_arguments_of_a_tool_are_edited(terminal: OpenTerminal, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    editor = an_editor(tmp_path, gate=str(tmp_path / "gate"))
    with terminal("chat", "two-tools", VISUAL=editor) as screen:
        screen.expect("Let it run? [y/n] ")
        screen.type("y\n")
        screen.expect("Let it run? [y/n/e] ")
        screen.type("e\n")
        screen.expect("Nothing was changed.")
        screen.expect("Let it run? [y/n/e] ")
        screen.type("n\n")
        screen.expect("Why not? (optional) ")
        screen.type("\n")
        screen.expect("rename rejected")
        assert screen.end() == 0
    assert (tmp_path / "gate.open").read_text() == '{\n  "path": "/tmp/y"\n}'


def test_decision_on_a_tool_is_said_before_the_next_is_asked_about(terminal: OpenTerminal) -> None:
    with terminal("chat", "two-tools") as screen:
        screen.expect("⚒ delete\n")
        screen.expect("Let it run? [y/n] ")
        screen.type("y\n")
        assert "→ clerk: delete approved\n" in screen.expect("⚒ rename\n")
        screen.expect("Let it run? [y/n/e] ")
        screen.type("y\n")
        screen.expect("→ clerk: rename approved\n")
        assert screen.end() == 0


def test_time_that_is_left_counts_down_until_the_timeout_decides(terminal: OpenTerminal) -> None:
    with terminal("chat", "hasty") as screen:
        screen.expect("without an answer, the step is skipped")
        screen.expect(" s left\n")
        screen.expect("[y/n] ")
        screen.expect("\x1b7\x1b[A\r\x1b[K")
        screen.type("half an ans")
        screen.expect("→ publish: nobody answered in time: rejected, then skip")
        assert screen.end() == 0
        left = [int(seconds) for seconds in re.findall(r"(\d+) s left", screen.said)]
        assert left[0] <= 3
        assert left == sorted(left, reverse=True)
        assert re.search(r"\x1b7\x1b\[A\r\x1b\[K\d+ s left\x1b8", screen.said), "it doesn't count in place"


async def test_tool_that_somebody_else_decides_closes_its_question_only(live: Live, terminal: OpenTerminal) -> None:
    with terminal("chat", "two-tools") as screen:
        run_id = run_id_in(screen.expect("[y/n] "))
        async with connect(live.http_url, token=ROOT) as client:
            run = await client.follow(run_id)
            while run.status != "PAUSED":
                await anext(run)
            (pause,) = run.pending
            await pause.deny(pause.tools[0], "no")
        screen.expect("→ clerk: root: delete rejected, “no”")
        screen.expect("⚒ rename")
        screen.expect("[y/n/e] ")
        screen.type("y\n")
        assert screen.end() == 0


async def test_pause_of_somebody_else_is_waited_for_and_not_asked(live: Live, terminal: OpenTerminal) -> None:
    with terminal("chat", "confirmed-by-bob") as screen:
        before = screen.expect("waiting for bob")
        assert "[y/n]" not in before
        async with connect(live.http_url, token=BOB) as client:
            run = await client.follow(run_id_in(before))
            while run.status != "PAUSED":
                await anext(run)
            await run.pending[0].confirm()
        screen.expect("→ publish: bob: approved")
        assert screen.end() == 0


def test_admin_is_told_how_to_answer_for_somebody_and_does(cli: Cli, terminal: OpenTerminal) -> None:
    with terminal("chat", "confirmed-by-bob", INTERLOCK_TOKEN=ROOT) as screen:
        before = screen.expect("waiting for bob")
        assert "[y/n]" not in before
        run_id = run_id_in(before)
        screen.expect(f"interlock chat --run {run_id} --as bob --reason WHY")
        done = cli("chat", "--run", run_id, "--as", "bob", "--reason", "He is ill.", piped="y\n", INTERLOCK_TOKEN=ROOT)
        assert done.returncode == 0, done.stdout
        screen.expect("→ publish: approved for bob, “He is ill.”")
        assert screen.end() == 0


def test_somebody_who_is_not_asked_is_not_answered_for(terminal: OpenTerminal) -> None:
    for_carol = ("--as", "carol", "--reason", "She is ill.")
    with terminal("chat", "confirmed-by-bob", *for_carol, INTERLOCK_TOKEN=ROOT) as screen:
        assert "[y/n]" not in screen.expect("waiting for bob")
        screen.interrupt()
        assert screen.end() == 4


def test_whom_an_admin_answers_for_is_said_together_with_why(cli: Cli) -> None:
    for given in (
        ("--as", "bob"),
        ("--reason", "He is ill."),
        ("--as", "bob", "--reason", ""),
        ("--as", "", "--reason", "x"),
    ):
        done = cli("chat", "confirmed-by-bob", *given, INTERLOCK_TOKEN=ROOT)
        assert done.returncode == 2
        assert "give --as and --reason together" in done.stderr
    too_long = ("--as", "bob", "--reason", "x" * (MAX_REASON + 1))
    done = cli("chat", "confirmed-by-bob", *too_long, piped="y\n", INTERLOCK_TOKEN=ROOT)
    assert (done.returncode, "a reason of at most" in done.stderr) == (2, True)


def test_ctrl_c_leaves_the_run_going_and_says_how_to_come_back(terminal: OpenTerminal) -> None:
    for workflow, moment in (("confirmed", "[y/n] "), ("slow", "line 3")):
        with terminal("chat", workflow) as screen:
            run_id = run_id_in(screen.expect(moment))
            screen.interrupt()
            screen.expect("The run goes on without you.")
            screen.expect(f"interlock follow {run_id}")
            assert screen.end() == 4
            assert "Traceback" not in screen.said


def test_ctrl_d_leaves_the_run_waiting(terminal: OpenTerminal) -> None:
    with terminal("chat", "confirmed") as screen:
        screen.expect("[y/n] ")
        screen.type("\x04")
        screen.expect("There is no more input")
        assert screen.end() == 4


def test_other_branches_go_on_while_a_question_is_open(terminal: OpenTerminal) -> None:
    with terminal("chat", "both") as screen:
        screen.expect("line 1\n")
        screen.expect("[y/n] ")
        screen.expect("[left] talks │ line")
        screen.expect("[y/n] ")
        screen.type("y\n")
        screen.expect("[right] → asks: approved")
        screen.expect("[right] ✓ asks")
        screen.expect("[left] talks │ line")
        screen.interrupt()
        assert screen.end() == 4


async def test_lost_connection_is_said_once_and_nothing_is_lost(live: Live, terminal: OpenTerminal) -> None:
    async with proxied(live.port) as proxy:
        with terminal("chat", "slow", url=f"http://127.0.0.1:{proxy.port}") as screen:
            await eventually(lambda: "line 10\n" in screen.said or (screen._more(0.01) and False))
            with proxy.down():
                before = proxy.connections
                await eventually(lambda: proxy.connections > before + 1)
            await eventually(lambda: "line 199\n" in screen.said or (screen._more(0.01) and False))
            assert await asyncio.to_thread(screen.end) == 0
            assert screen.said.count("reconnecting") == 1
            assert re.findall(r"line (\d+)$", screen.said, re.MULTILINE) == [str(number) for number in range(200)]


async def test_decision_lost_to_somebody_faster_is_no_failure(live: Live, terminal: OpenTerminal) -> None:
    async with proxied(live.port) as proxy:
        with terminal("chat", "confirmed", url=f"http://127.0.0.1:{proxy.port}") as screen:
            await eventually(lambda: "[y/n] " in screen.said or (screen._more(0.01) and False))
            proxy.delay = 1.0
            async with connect(live.http_url, token=ROOT) as client:
                run = await client.follow(run_id_in(screen.said))
                while run.status != "PAUSED":
                    await anext(run)
                screen.type("y\n")
                try:
                    await run.pending[0].reject()
                except (Conflict, NotFound):
                    raise AssertionError("the terminal was faster in spite of its delay") from None
            await eventually(lambda: "ompleted" in screen.said or (screen._more(0.01) and False))
            assert "→ publish: root: rejected" in screen.said
            assert await asyncio.to_thread(screen.end) == 0
