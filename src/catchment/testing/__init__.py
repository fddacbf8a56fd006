"""For tests: a PostgreSQL of one's own (`Cluster`); in `promises`, what every database engine keeps."""

from __future__ import annotations

from .cluster import Cluster, NoServer

__all__ = ["Cluster", "NoServer"]
