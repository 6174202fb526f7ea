"""Progress on stderr, and only for people: nothing is drawn where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, total: int, *, beside_output: bool = False) -> Iterator[Callable[[int], None]]:
    """Gives a function to be told how many more are done.

    `beside_output`: the caller prints as it goes, so on a terminal that shows both there is no bar.
    """
    if total <= 1 or not sys.stderr.isatty() or (beside_output and sys.stdout.isatty()):
        yield lambda count: None
        return
    # Loaded for those who look, and by nobody else: it takes longer than starting an instance.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
