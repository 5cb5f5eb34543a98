"""The command line as a whole: what a user can mend becomes one line, and a signal an orderly end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from flawsmith.data.errors import UserError

INTERRUPTED = "interrupted: give the same command again to go on"


class Terminated(KeyboardInterrupt):
    """SIGTERM: what schedulers send before they kill."""


class App(click.Group):
    """The group: what a user can mend becomes one line, Ctrl-C a hint; any other exception is a bug, and is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the work, in which cli.py defines them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; exit codes 0 done, 1 bad data, 2 usage, 3 partly done, 4 diverged, 130 interrupted."""
        try:
            with stoppable():
                return super().invoke(ctx)
        except UserError as error:
            fail(ctx, f"Error: {error}", error.exit_code)
        except BrokenPipeError:
            raise  # click ends quietly when a reader such as head has left
        except OSError as error:
            fail(ctx, f"Error: {error.filename or 'the system'}: {error.strerror or error}", 1)
        except Terminated:
            fail(ctx, INTERRUPTED, 143)
        except KeyboardInterrupt:
            fail(ctx, INTERRUPTED, 130)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within it SIGINT and SIGTERM stop the command in order; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signals
        return

    def stop(number: int, frame: object) -> NoReturn:
        for one in before:
            signal.signal(one, lambda again, _: os._exit(128 + again))
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    ours = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, stop) for one in ours}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def fail(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    """Ends the command with one line on stderr, whatever characters a file's name has."""
    from flawsmith.data.distributed import Place
    from flawsmith.data.problem import printable

    who = "" if Place.here().is_first else f"{Place.here()}: "
    click.echo(printable(who + message.replace("\n", "\\n")), err=True)
    ctx.exit(exit_code)


def example(line: str) -> str:
    """A command's epilog: one real line, which click must not wrap."""
    return f"\b\nExample:\n  {line}"
