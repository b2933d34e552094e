"""To TensorBoard: an event file in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any, Final

from onward.core import MissingExtra, SystemClock, Unavailable, new_id
from onward.monitoring.tracker import Measurement

from ._points import points

WIDEST: Final = 3.4028234663852886e38
"""The largest number of TensorBoard's: its scalars have 32 bits."""


class TensorBoardSink:
    """Writes an event file: measurements as scalars (see `points` for their tags), configurations as texts.

    Each sink writes a file of its own, so that several may share a folder, and going on adds a file. Scalars have 32
    bits; what is larger is written as the largest there is. Neither TensorFlow nor PyTorch is needed, nor TensorBoard.

    Args:
        folder: where to write; made where there is none. Look at it with: `tensorboard --logdir FOLDER`.

    Raises:
        MissingExtra: tensorboardX is not installed.
        Unavailable: the folder cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX.event_file_writer import EventsWriter
            from tensorboardX.proto.event_pb2 import Event
            from tensorboardX.proto.summary_pb2 import Summary
            from tensorboardX.summary import text
        except ImportError as error:
            raise MissingExtra("tensorboardX", "tensorboard") from error
        self._folder, self._event, self._summary, self._text = Path(folder), Event, Summary, text
        with self._writing():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = EventsWriter(str(self._folder / "events"), f".{new_id('tb', SystemClock().now())}")

    def write(self, measurements: Sequence[Measurement]) -> None:
        """Add scalars, and hand them to the operating system.

        Raises:
            Unavailable: the file cannot be written.
        """
        with self._writing():
            for one in measurements:
                found = list(points(one))
                values = [(point.name, min(max(point.value, -WIDEST), WIDEST)) for point in found]
                scalars = [self._summary.Value(tag=name, simple_value=value) for name, value in values]
                if scalars:
                    self._add(self._summary(value=scalars), found[0].step, found[0].time)
            self._file.flush()

    def configure(self, values: Mapping[str, str]) -> None:
        """Add texts.

        Raises:
            Unavailable: the file cannot be written.
        """
        with self._writing():
            for name, value in values.items():
                self._add(self._text(name, value), 0, time())
            self._file.flush()

    def _add(self, summary: Any, step: int, at: float) -> None:
        self._file.write_event(self._event(summary=summary, step=step, wall_time=at))

    def flush(self) -> None:
        """Nothing is left to do: every write flushes."""

    def close(self) -> None:
        """Close the file.

        Raises:
            Unavailable: it cannot be written.
        """
        with self._writing():
            self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(f"No events can be written to {self._folder}.", why=f"{error}.") from error
