"""The table of commands, the options before them, and the outer edge that no traceback crosses."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, cast

import typer

import onward

from ._alerts import alerts
from ._backup import backup
from ._call import DEFAULT_TENANT, DEFAULT_WORKSPACE, JSON, TENANT, Call, Command
from ._compare import compare
from ._cycle import cycle
from ._datasets import datasets
from ._demo import demo
from ._doctor import doctor
from ._errors import (
    BAD_INPUT,
    DEBUG,
    EXIT_CODES,
    INTERRUPTED,
    UNEXPECTED,
    interrupted,
    misused,
    report,
    unexpected,
)
from ._feedback import feedback
from ._forget import forget
from ._history import history
from ._init import init
from ._metrics import metrics
from ._pin import pin
from ._predict import predict
from ._promote import promote
from ._quarantine import quarantine
from ._record import record
from ._report import report as report_learning
from ._restore import restore
from ._rollback import rollback
from ._schedule import schedule
from ._show import show
from ._status import status
from ._trace import trace
from ._versions import versions
from ._watch import watch

COMMANDS: Final[Mapping[str, tuple[Command, ...]]] = {
    "Set up and feed": (demo, init, record, feedback, forget, quarantine, datasets),
    "Learn": (cycle, schedule),
    "Use and ask": (predict, trace, status),
    "Versions": (versions, show, compare, promote, rollback, history, pin),
    "Watch": (report_learning, watch, metrics, alerts),
    "Keep": (backup, restore, doctor),
}
"""Where it stands in the help -> the commands; each is named as its function is."""

_CODES: Final = "\n".join(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())
_SILENCE: Final = logging.NullHandler()
_Misuse: Final = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])  # typer does not name UsageError

Version = Annotated[bool, typer.Option("--version", help="Print the version of Onward.")]
Workspace = Annotated[
    str, typer.Option("--workspace", envvar="ONWARD_WORKSPACE", metavar="FOLDER", help="Where the workspace lives.")
]

app = typer.Typer(
    name="onward",
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit codes:\n{_CODES}",
)


@app.callback(invoke_without_command=True)
def options(
    ctx: typer.Context,
    workspace: Workspace = DEFAULT_WORKSPACE,
    tenant: Annotated[str, TENANT] = DEFAULT_TENANT,
    json: Annotated[bool, JSON] = False,
    version: Version = False,
) -> None:
    """Keep models learning from what happens to them, and never let them slip back.

    Every command takes --workspace, --tenant and --json, before its name and after it.

    Example: onward record chats.jsonl, then onward cycle, then onward predict "where is my parcel?"
    """
    ctx.obj = Call(workspace, tenant, json)
    if version:
        ctx.obj.answer({"onward": onward.__version__}, [f"onward {onward.__version__}"])
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        if json:
            ctx.fail("No command is named.")
        typer.echo(ctx.get_help(), nl=False)


for _panel, _commands in COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with one of `EXIT_CODES`.

    Args:
        arguments: without the program's name; the process's own where left out.

    Raises:
        SystemExit: always.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _quiet_logs()
    sys.exit(_run(given, json="--json" in given[: given.index("--") if "--" in given else None]))


def _run(arguments: list[str], *, json: bool) -> int:
    try:
        return _invoke(arguments)
    except (KeyboardInterrupt, typer.Abort):
        report(interrupted(), json=json)
        return INTERRUPTED
    except _Misuse as error:
        path = error.ctx.command_path if error.ctx else "onward"
        report(misused(error.format_message(), path, getattr(error, "possibilities", None) or ()), json=json)
        return BAD_INPUT
    except onward.OnwardError as error:
        report(error.to_dict(), json=json)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the outer edge
        report(unexpected(error), json=json)
        return UNEXPECTED


def _invoke(arguments: list[str]) -> int:
    _check_text(arguments)
    code = int(typer.main.get_command(app).main(arguments, prog_name="onward", standalone_mode=False) or 0)
    if code == INTERRUPTED:  # what typer makes of Ctrl-C
        raise KeyboardInterrupt
    return code


def _check_text(arguments: Sequence[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise typer.BadParameter(f"{argument!a} is not UTF-8.") from error


def _quiet_logs() -> None:
    """Nothing is logged to the terminal; with ONWARD_DEBUG everything is."""
    if os.environ.get(DEBUG):
        logging.basicConfig(level=logging.DEBUG)
    for name in ("onward", "apscheduler"):
        logging.getLogger(name).addHandler(_SILENCE)
