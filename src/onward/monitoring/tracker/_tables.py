"""Measurements as a table in a Parquet or HDF5 file, and what is said beside them; whoever reads checks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from onward.core import MissingExtra

from ._records import Measurement, Source

AT_ONCE: Final = 20_000
TEXTS: Final = ("kind", "name", "task", "client", "body")
NUMBERS: Final = ("time", "value", "step", "rate", "convergence")
ABOUT: Final = "onward"


def write_parquet(measurements: Iterator[Measurement], beside: bytes, path: Path) -> None:
    """Write a Parquet file: a row group for some thousand measurements; `beside` is in the schema's metadata.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    schema = pyarrow.schema(_fields()).with_metadata({ABOUT: beside})
    with parquet.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as file:
        for columns in _pages(measurements):
            file.write_table(pyarrow.table(columns, schema=schema))


def _fields() -> list[tuple[str, Any]]:
    import pyarrow

    return [(name, pyarrow.string()) for name in TEXTS] + [(name, pyarrow.float64()) for name in NUMBERS]


def read_parquet(path: Path) -> tuple[Iterator[Measurement], bytes]:
    """What `write_parquet` wrote; nothing of it is checked but the types of the columns.

    Raises:
        MissingExtra: pyarrow is not installed.
        ValueError: the columns are others. Whatever pyarrow raises comes through.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "parquet") from error
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.remove_metadata().equals(pyarrow.schema(_fields())):
                raise ValueError("its columns are others")
            table = file.read()
            columns = {name: table.column(name).to_pylist() for name in (*TEXTS, *NUMBERS)}
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error
    return _measurements(columns), (table.schema.metadata or {}).get(ABOUT.encode(), b"")


def write_hdf5(measurements: Iterator[Measurement], beside: bytes, path: Path) -> None:
    """Write an HDF5 file: one growing, compressed data set for each column, and one of bytes for `beside`.

    It is made in memory: where the disk is full, HDF5's own writing ends the process. A checksum comes after it, which
    every reader of HDF5 passes over: HDF5 can read for ever where a byte was changed.

    Raises:
        MissingExtra: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("h5py", "hdf5") from error
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        file.create_dataset(ABOUT, data=np.frombuffer(beside, dtype=np.uint8))
        for name in (*TEXTS, *NUMBERS):
            kind = h5py.string_dtype() if name in TEXTS else np.float64
            file.create_dataset(name, shape=(0,), maxshape=(None,), dtype=kind, chunks=(4096,), compression="gzip")
        for columns in _pages(measurements):
            for name, values in columns.items():
                column, more = file[name], len(values)
                column.resize(len(column) + more, axis=0)
                column[-more:] = values if name in TEXTS else [np.nan if one is None else one for one in values]
        file.flush()
        path.write_bytes(sealed(file.id.get_file_image()))


def sealed(content: bytes) -> bytes:
    """Content with its checksum."""
    return content + sha256(content).digest()


def _opened(path: Path) -> BytesIO:
    data = path.read_bytes()
    content = data[: -sha256().digest_size]
    if sealed(content) != data:
        raise ValueError("its checksum differs")
    return BytesIO(content)


def read_hdf5(path: Path) -> tuple[Iterator[Measurement], bytes]:
    """What `write_hdf5` wrote; nothing of it is checked but its checksum and the types of the columns.

    Raises:
        MissingExtra: h5py is not installed.
        ValueError: it was changed, or the columns are others. Whatever h5py raises comes through.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("h5py", "hdf5") from error
    with h5py.File(_opened(path), "r") as file:
        found = {name: _column(file, name) for name in (ABOUT, *TEXTS, *NUMBERS)}
        if any(h5py.check_string_dtype(found[name].dtype) is None for name in TEXTS):
            raise ValueError("a column of texts has another type")
        columns: dict[str, Sequence[Any]] = {name: found[name].asstr()[:].tolist() for name in TEXTS}
        columns |= {name: [None if np.isnan(one) else one for one in found[name][:].tolist()] for name in NUMBERS}
        return _measurements(columns), found[ABOUT][:].tobytes()


def _column(file: Any, name: str) -> Any:
    """A data set of one dimension, with all of its content in this file."""
    import h5py

    column = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(column, h5py.Dataset) or column.ndim != 1 or column.external or column.is_virtual:
        raise ValueError(f"it has no column {name}")
    if name not in TEXTS and column.dtype != (np.uint8 if name == ABOUT else np.float64):
        raise ValueError(f"the column {name} has another type")
    return column


def _pages(measurements: Iterator[Measurement]) -> Iterator[dict[str, list[Any]]]:
    while some := list(islice(measurements, AT_ONCE)):
        rows = [(*one.source, one.body, one.time, one.value, one.step, one.rate, one.convergence) for one in some]
        yield dict(zip((*TEXTS, *NUMBERS), map(list, zip(*rows, strict=True)), strict=True))


def _measurements(columns: Mapping[str, Sequence[Any]]) -> Iterator[Measurement]:
    rows: Iterable[tuple[Any, ...]] = zip(*(columns[name] for name in (*TEXTS, *NUMBERS)), strict=True)
    for *source, body, time, value, step, rate, near in rows:
        yield Measurement(Source(*source), time, value, step, rate, near, body)
