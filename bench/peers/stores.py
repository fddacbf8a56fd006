"""Other programs that store the same records: each gets the bodies as they were answered, and a folder of its own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": tempfile.gettempdir()}

import dlt
import sqlite_utils

KEY = ("part", "id")


def rows(bodies: Sequence[bytes]) -> Iterator[list[dict[str, Any]]]:
    return (json.loads(body) for body in bodies)


def with_sqlite_utils(folder: Path) -> Callable[[Sequence[bytes]], None]:
    """An upsert by the key, a transaction a body."""
    database = sqlite_utils.Database(folder / "peer.sqlite")

    def load(bodies: Sequence[bytes]) -> None:
        for body in rows(bodies):
            database["orders"].upsert_all(body, pk=KEY, batch_size=1000)

    return load


def with_dlt(folder: Path, url: str = "") -> Callable[[Sequence[bytes]], None]:
    """A merge by the key, which keeps no versions: into DuckDB by Parquet files, or into the PostgreSQL of the URL."""
    into = (
        dlt.destinations.postgres(_credentials(url)) if url else dlt.destinations.duckdb(str(folder / "orders.duckdb"))
    )
    pipeline = dlt.pipeline("bench", destination=into, dataset_name="peer", pipelines_dir=str(folder))

    def load(bodies: Sequence[bytes]) -> None:
        found = dlt.resource(rows(bodies), name="orders", primary_key=KEY, write_disposition="merge")
        with redirect_stdout(StringIO()):
            pipeline.run(found, **({} if url else {"loader_file_format": "parquet"}))

    return load


def _credentials(url: str) -> dict[str, Any]:
    """The parts of the URL of a server that listens on a socket and asks for no password."""
    parts = urlsplit(url)
    said = {"database": parts.path[1:], "username": parts.username, "password": "none", "host": "localhost"}
    return {**said, "query": dict(parse_qsl(parts.query))}
