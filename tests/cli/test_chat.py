"""`interlock chat`: on a pipe and on a terminal."""

from __future__ import annotations

import asyncio
import re

from tests.cli.conftest import Cli, OpenTerminal
from tests.faults.proxy import proxied
from tests.live import BOB, ROOT, Live, eventually

from interlock_client import Conflict, NotFound, connect


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
