"""To Weights & Biases: one run in a folder, to be synchronised by hand, or never."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from onward.core import InvalidInput, MissingExtra, Unavailable
from onward.monitoring.tracker import Measurement

from ._points import curve_name, points

MODES: Final = ("offline", "online")
TOKEN: Final = "WANDB_API_KEY"  # noqa: S105 - the name of a variable


class WandbSink:
    """Writes to one Weights & Biases run: measurements as history (see `points`), configurations as config.

    Offline nothing leaves the machine and nobody is asked to log in; `wandb sync FOLDER/wandb/offline-run-*` uploads
    the run whenever you like. Neither the machine, the code, the repository nor the console is recorded, and no errors
    are reported to Weights & Biases unless `WANDB_ERROR_REPORTING` says so. A run of your own in the same process is
    left alone. Each curve is drawn over its own steps: `task/NAME/step` for those of a task.

    Args:
        folder: where to write; made where there is none.
        project: of the run.
        run: name of the run; Weights & Biases makes one up where left out.
        mode: "offline", or "online", which needs a key in `WANDB_API_KEY`.

    Raises:
        MissingExtra: wandb is not installed.
        InvalidInput: there is no such mode, or it is "online" and there is no key.
        Unavailable: the folder cannot be written, or wandb does not start.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        project: str = "onward",
        run: str | None = None,
        mode: Literal["offline", "online"] = "offline",
    ) -> None:
        if mode not in MODES:
            raise InvalidInput(f"mode is {mode!r}.", mend="Choose one.", options=MODES)
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when it is imported
        try:
            import wandb
        except ImportError as error:
            raise MissingExtra("wandb", "wandb") from error
        if mode == "online" and not os.environ.get(TOKEN):
            raise InvalidInput(f"There is no {TOKEN}.", why="Nobody is asked to log in.", mend=f"Set {TOKEN}.")
        settings = wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            disable_job_creation=True,
            reinit="create_new",
            save_code=False,
            silent=True,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
        )
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(dir=str(folder), project=project, name=run, mode=mode, settings=settings)
        except (OSError, wandb.Error) as error:
            raise Unavailable(f"No run can be written to {folder}.", why=f"{error}.") from error
        self._defined: set[str] = set()

    @property
    def folder(self) -> Path:
        """Where this run is."""
        return Path(self._run.dir).parent

    def write(self, measurements: Sequence[Measurement]) -> None:
        """Log one row of history for each measurement."""
        for one in measurements:
            found = list(points(one))
            if not found:
                continue
            over, row = f"{curve_name(one.source)}/step", {point.name: point.value for point in found}
            self._define(row, over)
            self._run.log({**row, over: found[0].step, f"{curve_name(one.source)}/time": found[0].time})

    def _define(self, names: Mapping[str, Any], over: str) -> None:
        for name in names:
            if name not in self._defined:
                self._run.define_metric(name, step_metric=over)
                self._defined.add(name)

    def configure(self, values: Mapping[str, str]) -> None:
        """Put values into the run's config; later ones replace earlier ones."""
        self._run.config.update(dict(values), allow_val_change=True)  # type: ignore[no-untyped-call]  # wandb's own

    def flush(self) -> None:
        """Nothing can be done: a process of Weights & Biases' own writes, in its own time."""

    def close(self) -> None:
        """End the run; the other process completes its file a moment later, and this one's end waits for that."""
        self._run.finish()
