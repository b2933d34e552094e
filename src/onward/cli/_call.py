"""How a command was called, and the three options that every command takes before and after its name."""

from __future__ import annotations

import functools
import inspect
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec

import typer

import onward

from ._output import emit, show

if TYPE_CHECKING:
    from rich.console import RenderableType

P = ParamSpec("P")
Command = Callable[..., int | None]

DEFAULT_WORKSPACE: Final = ".onward"
DEFAULT_TENANT: Final = "default"
COMMAND: Final = re.compile(r"(?<![\w/.-])onward (?=[a-z])")
WORKSPACE: Final = typer.Option("--workspace", metavar="FOLDER", help="Where the workspace lives.")
TENANT: Final = typer.Option("--tenant", metavar="NAME", help="Whose records and versions.")
JSON: Final = typer.Option("--json", help="Answer in JSON, errors too.")


@dataclass(frozen=True, slots=True)
class Call:
    """How a command was called.

    Args:
        workspace: folder or URL of the workspace.
        tenant: whose records and versions.
        json: whether to answer in JSON.
    """

    workspace: str
    tenant: str
    json: bool

    def over(self, workspace: str | None, tenant: str | None, json: bool) -> Call:
        """This call with what was said again after the command's name."""
        return Call(workspace or self.workspace, tenant or self.tenant, json or self.json)

    def again(self, text: str) -> str:
        """The command that goes on in the same workspace for the same tenant.

        >>> Call("my shop", "default", json=False).again("cycle")
        "onward --workspace 'my shop' cycle"
        """
        said = (("--workspace", self.workspace, DEFAULT_WORKSPACE), ("--tenant", self.tenant, DEFAULT_TENANT))
        named = ((option, shlex.quote(onward.masked(value))) for option, value, default in said if value != default)
        options = [f"{option} {value}" for option, value in named]
        return " ".join(["onward", *options, text])

    def pasteable(self, advice: str) -> str:
        """Advice, with the commands in it for the same workspace and tenant.

        >>> Call("shop", "default", json=False).pasteable("List them with: onward versions")
        'List them with: onward --workspace shop versions'
        """
        return COMMAND.sub(lambda _: self.again(""), advice)

    def open(self, *, create: bool = False) -> onward.Workspace:
        """The workspace.

        Raises:
            NotFound: there is none, and `create` is off.
        """
        return onward.open(self.workspace, create=create)

    def answer(self, value: Any, human: Iterable[RenderableType]) -> None:
        """Print `value` as JSON, or what `human` yields: it is not asked where JSON is wanted."""
        if self.json:
            emit(value)
        else:
            show(human)


def command(function: Callable[Concatenate[Call, P], int | None]) -> Command:
    """The function as typer wants it: its own parameters, then the three of every command, instead of a `Call`.

    What it returns is the exit code; `None` is 0.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    @functools.wraps(function)
    def run(ctx: typer.Context, workspace: str | None, tenant: str | None, json: bool, **given: Any) -> int | None:
        call = ctx.obj.over(workspace, tenant, json)
        try:
            return function(call, **given)  # type: ignore[call-arg] # typer has checked
        except onward.OnwardError as error:
            error.mend = call.pasteable(error.mend)
            raise

    parameters = [_keyword("ctx", typer.Context), *own, *_EVERYWHERE]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    signature = inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters])
    run.__signature__ = signature  # type: ignore[attr-defined] # what inspect reads first
    return run


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


_EVERYWHERE: Final = (
    _keyword("workspace", Annotated[str | None, WORKSPACE], None),
    _keyword("tenant", Annotated[str | None, TENANT], None),
    _keyword("json", Annotated[bool, JSON], default=False),
)
