"""Measurements as a table in a Parquet or HDF5 file; notes and report beside it, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from onward.core import MissingExtra

from ._records import Measurement, Source

FORMAT: Final = "onward learning data 1"
AT_ONCE: Final = 20_000
TEXTS: Final = ("kind", "name", "task", "client", "body")
NUMBERS: Final = ("time", "value", "step", "rate", "convergence")
ABOUT: Final = "onward"

Notes = list[tuple[str, str, dict[str, Any]]]


def notes_of(said: Mapping[str, Any]) -> Notes:
    """What a file says beside its measurements, as a store takes it: kind, name, record.

    Raises:
        ValueError: the file is none of ours.
    """
    if said.get("format") != FORMAT:
        raise ValueError(f"its format is {said.get('format')!r}, not {FORMAT!r}")
    kinds = (("goal", said["goals"]), ("experiment", said["experiments"]))
    return [(kind, name, body) for kind, notes in kinds for name, body in notes.items()]


def write_parquet(measurements: Iterator[Measurement], about: Mapping[str, Any], path: Path) -> None:
    """Write a Parquet file: a row group for some thousand measurements.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    fields = [(name, pyarrow.string()) for name in TEXTS] + [(name, pyarrow.float64()) for name in NUMBERS]
    schema = pyarrow.schema(fields, metadata={ABOUT: msgspec.json.encode(about)})
    with parquet.ParquetWriter(path, schema, compression="zstd") as file:
        for columns in _pages(measurements):
            file.write_table(pyarrow.table(columns, schema=schema))


def read_parquet(path: Path) -> tuple[list[Measurement], Notes]:
    """What `write_parquet` wrote.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    table = parquet.read_table(path)
    notes = notes_of(msgspec.json.decode((table.schema.metadata or {}).get(ABOUT.encode(), b"{}")))
    return _measurements({name: table.column(name).to_pylist() for name in (*TEXTS, *NUMBERS)}), notes


def write_hdf5(measurements: Iterator[Measurement], about: Mapping[str, Any], path: Path) -> None:
    """Write an HDF5 file: one growing, compressed data set for each column.

    It is made in memory: where the disk is full, HDF5's own writing ends the process.

    Raises:
        MissingExtra: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("h5py", "hdf5") from error
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        file.attrs[ABOUT] = np.void(msgspec.json.encode(about))
        for name in (*TEXTS, *NUMBERS):
            kind = h5py.string_dtype() if name in TEXTS else np.float64
            file.create_dataset(name, shape=(0,), maxshape=(None,), dtype=kind, chunks=(4096,), compression="gzip")
        for columns in _pages(measurements):
            for name, values in columns.items():
                column, more = file[name], len(values)
                column.resize(len(column) + more, axis=0)
                column[-more:] = values if name in TEXTS else [np.nan if one is None else one for one in values]
        file.flush()
        path.write_bytes(file.id.get_file_image())


def read_hdf5(path: Path) -> tuple[list[Measurement], Notes]:
    """What `write_hdf5` wrote.

    Raises:
        MissingExtra: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("h5py", "hdf5") from error
    with h5py.File(path, "r") as file:
        notes = notes_of(msgspec.json.decode(file.attrs[ABOUT].tobytes()))
        columns: dict[str, Sequence[Any]] = {name: file[name].asstr()[:].tolist() for name in TEXTS}
        columns |= {name: [None if np.isnan(one) else one for one in file[name][:].tolist()] for name in NUMBERS}
    return _measurements(columns), notes


def _pages(measurements: Iterator[Measurement]) -> Iterator[dict[str, list[Any]]]:
    while some := list(islice(measurements, AT_ONCE)):
        rows = [(*one.source, one.body, one.time, one.value, one.step, one.rate, one.convergence) for one in some]
        yield dict(zip((*TEXTS, *NUMBERS), map(list, zip(*rows, strict=True)), strict=True))


def _measurements(columns: Mapping[str, Sequence[Any]]) -> list[Measurement]:
    rows: Iterable[tuple[Any, ...]] = zip(*(columns[name] for name in (*TEXTS, *NUMBERS)), strict=True)
    return [
        Measurement(Source(*source), time, value, None if step is None else int(step), rate, near, body)
        for *source, body, time, value, step, rate, near in rows
    ]
