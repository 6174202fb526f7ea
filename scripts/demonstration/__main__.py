"""The command: `python -m scripts.demonstration`, which is what `scripts/demo` calls."""

from __future__ import annotations

import argparse
import fcntl
import os
import secrets
import signal
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import requests
from rich.console import Console
from rich.markup import escape

from scripts.demonstration.applicants import OPENED
from scripts.demonstration.broker import looked_for
from scripts.demonstration.programs import ROOT, Programs, Trouble, embedded_environment, free_port, is_listening, tail
from scripts.demonstration.show import Show
from scripts.demonstration.story import USER, Story

FOLDER = ROOT / "var" / "demo"


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _end)
    # Started in the background, a shell has us ignore it; whoever sends it means it all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console(force_terminal=False if arguments.once else None)
    # Everybody speaks on the loopback address, where no proxy has any business.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    if arguments.port and is_listening(arguments.port):
        console.print(f"[red]Somebody listens on port {arguments.port} already[/red]")
        return 1
    try:
        environment = embedded_environment(FOLDER, secrets.token_hex(32))
        with _fresh_folder(FOLDER), looked_for() as broker, Programs(FOLDER, environment) as programs:
            story = Story(programs, Show(console), arguments.port or free_port(), arguments.orders, broker)
            wrong = story.tell()
            if wrong:
                console.print(f"[red]{len(wrong)} orders and accounts did not end as they must[/red]")
            if not arguments.once:
                _stay(story, console, browser=not arguments.no_browser)
            return 1 if wrong else 0
    except (Trouble, requests.RequestException) as trouble:
        console.print(f"[red]{escape(str(trouble))}[/red]", soft_wrap=True)
        log = getattr(trouble, "log", None) or FOLDER / "server.log"
        console.print(f"[dim]The end of {log}:[/dim]")
        console.print(tail(log), markup=False, highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped before the end")
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="A shop on fire that delivers all the same.")
    parser.add_argument("--once", action="store_true", help="run the story and end; exit code 0 if all went as it must")
    parser.add_argument("--port", type=int, default=0, help="of the web server (default: a free one)")
    parser.add_argument("--orders", type=int, default=50, metavar="N", help="how many orders (default 50)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    arguments = parser.parse_args()
    if arguments.orders < 1:
        parser.error("expected --orders to be at least 1")
    return arguments


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[None]:
    """An empty folder, ours alone. Raises SystemExit if another demonstration is using it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"Another demonstration is running in {folder}") from None
        for old in folder.iterdir():
            if old.name != "lock":
                old.unlink()
        yield


def _stay(story: Story, console: Console, *, browser: bool) -> None:
    """Leave everything running until Ctrl-C."""
    url = f"{story.client.url}/admin/"
    shown = [
        ("Admin", f"{url}   user [bold]{USER}[/bold], password [bold]{story.password}[/bold]"),
        ("A delivered order", story.address_of("Task_Replace")),
        ("A repaired order", story.address_of("")),
        ("An opened account", story.ways.address_of(OPENED)),
        ("REST API", f"{story.client.url}/api/schema/swagger/"),
    ]
    console.print()
    for name, value in shown:
        console.print(f"  [bold]{name:<18}[/bold] {value}", highlight=False, soft_wrap=True)
    console.print("\n  Everything keeps running. Ctrl-C ends it.")
    if browser and sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(url)
    try:
        while True:
            story.look_after()
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("\nEnding")


if __name__ == "__main__":
    sys.exit(main())
