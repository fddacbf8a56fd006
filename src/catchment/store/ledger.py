"""The ledger: partitions with their verdicts and leases, runs and attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..clock import parse_moment, render_moment
from ..errors import LeaseLost
from ..partitions import Partition
from ..plan import GOOD, PARKED, State, retry_at
from .desk import note_drift
from .engines import Connection, Workers, mapped, transaction
from .lease import Instead, Lease, Outcome, Pass

__all__ = ["LEASE", "Ledger", "decode_params", "encode_params"]

DEATHS = 3
"""So many workers may die at one partition, one after the other, before it is left alone."""

LEASE = timedelta(seconds=30)

_CLOSE = (
    "UPDATE _partition SET verdict = :verdict, reason = :reason, checked_at = :at, retry_at = :retry,"
    " failures = :failures, pass = pass + :ended, lease_owner = NULL, lease_until = NULL,"
    " collected_at = CASE WHEN :good = 1 THEN :at ELSE collected_at END,"
    " first_collected_at = CASE WHEN :good = 1 THEN coalesce(first_collected_at, :at)"
    " ELSE first_collected_at END,"
    " doubted_at = CASE WHEN :good = 1 THEN NULL ELSE coalesce(:doubted, doubted_at) END,"
    " doubted_digest = CASE WHEN :good = 1 THEN '' WHEN :doubted IS NULL OR doubted_at = :doubted"
    " THEN doubted_digest ELSE :digest END,"
    " instead_until = CASE WHEN :good = 1 OR :instead <> '' THEN :instead_until ELSE instead_until END,"
    " instead = CASE WHEN :good = 1 OR :instead <> '' THEN :instead ELSE instead END,"
    " records = coalesce(:records, records), stamp = CASE WHEN :good = 1 THEN :stamp ELSE stamp END,"
    " etag = CASE WHEN :merged = 1 THEN :etag ELSE etag END,"
    " last_modified = CASE WHEN :merged = 1 THEN :modified ELSE last_modified END,"
    " digest = CASE WHEN :merged = 1 THEN :digest ELSE digest END,"
    " model = CASE WHEN :merged = 1 THEN :model ELSE model END"
    " WHERE feed = :feed AND key = :key"
)
"""Only what was good moves the times, the stamp and what stands instead; only what was merged the validators."""


class Ledger:
    """Partitions, leases, runs and attempts on one connection. Not shared between threads at once."""

    def __init__(self, connection: Connection, workers: Workers) -> None:
        self._connection = connection
        self._workers = workers

    def states(self, feed: str) -> dict[str, State]:
        """Partition key -> what is known of it."""
        with mapped():
            rows = self._connection.execute(
                "SELECT key, params, verdict, reason, checked_at, collected_at, first_collected_at, retry_at, failures,"
                " records, stamp, model, lease_owner FROM _partition WHERE feed = ?",
                (feed,),
            ).fetchall()
        return {row[0]: _state(row) for row in rows}

    def outdated(self, feed: str, model: str) -> int:
        """How many records are of partitions that another declaration merged last."""
        with mapped():
            row = self._connection.execute(
                "SELECT coalesce(sum(records), 0) FROM _partition WHERE feed = ? AND model NOT IN ('', ?)",
                (feed, model),
            ).fetchone()
        return int(row[0])

    def passes(self, feed: str) -> list[Pass]:
        """The passes of a feed that were answered and have ended, in the order in which they were answered."""
        with mapped():
            rows = self._connection.execute(
                "SELECT p.params, e.pass, a.id, a.verdict, a.reason FROM"
                " (SELECT feed, partition, pass, max(id) AS last FROM _exchange WHERE feed = ? GROUP BY 1, 2, 3) e"
                " JOIN _partition p ON p.feed = e.feed AND p.key = e.partition AND e.pass < p.pass"
                " JOIN _attempt a ON a.id = (SELECT max(id) FROM _attempt WHERE feed = e.feed"
                " AND partition = e.partition AND pass = e.pass AND verdict IS NOT NULL) ORDER BY e.last",
                (feed,),
            ).fetchall()
        return [Pass(decode_params(params), *rest) for params, *rest in rows]

    def begin_run(self, app: str, now: datetime) -> int:
        with transaction(self._connection, durable=False) as sql:
            self._close_runs_of_the_dead(sql, now)
            row = sql.execute(
                "INSERT INTO _run (app, owner, started_at) VALUES (?, ?, ?) RETURNING id",
                (app, self._workers.me, render_moment(now)),
            ).fetchone()
        return int(row[0])

    def _close_runs_of_the_dead(self, sql: Connection, now: datetime) -> None:
        """Ends what killed workers left open, so that nothing looks as if it still ran."""
        owners = sql.execute("SELECT DISTINCT owner FROM _run WHERE ended_at IS NULL").fetchall()
        dead = [owner for (owner,) in owners if not self._workers.alive(owner)]
        for owner in dead:
            sql.execute(
                "UPDATE _attempt SET ended_at = ?, reason = 'interrupted' WHERE ended_at IS NULL AND reason = ''"
                " AND run IN (SELECT id FROM _run WHERE owner = ? AND ended_at IS NULL)",
                (render_moment(now), owner),
            )
            sql.execute(
                "UPDATE _run SET ended_at = ? WHERE owner = ? AND ended_at IS NULL", (render_moment(now), owner)
            )
        if dead:
            self._park_what_kills(sql, now)

    @staticmethod
    def _park_what_kills(sql: Connection, now: datetime) -> None:
        """A partition at which the last `DEATHS` attempts broke off in death is left alone for a while.

        It need not be the culprit: a person may ask for it at once, and its pass goes on where it was.
        """
        at, until = render_moment(now), render_moment(now + PARKED)
        sql.execute(
            "UPDATE _partition SET verdict = 'failed', reason = ?, checked_at = ?, retry_at = ?,"
            " failures = failures + 1, lease_owner = NULL, lease_until = NULL WHERE (feed, key) IN"
            " (SELECT feed, partition FROM (SELECT feed, partition, verdict, reason,"
            " row_number() OVER (PARTITION BY feed, partition ORDER BY id DESC) AS place FROM _attempt"
            " WHERE (feed, partition) IN (SELECT feed, key FROM _partition WHERE lease_owner IS NOT NULL))"
            " AS last WHERE place <= ? GROUP BY feed, partition"
            " HAVING count(*) FILTER (WHERE verdict IS NULL AND reason = 'interrupted') = ?)",
            (f"its worker died {DEATHS} times in a row", at, until, DEATHS, DEATHS),
        )

    def end_run(self, run: int, now: datetime) -> None:
        with transaction(self._connection, durable=False) as sql:
            sql.execute("UPDATE _run SET ended_at = ? WHERE id = ?", (render_moment(now), run))

    def expect(self, feed: str, partitions: list[tuple[Partition, str]]) -> None:
        """Notes partitions that should be there but are not asked for, with the reason: they are pending, unchecked."""
        with transaction(self._connection, durable=False) as sql:
            sql.executemany(
                "INSERT INTO _partition (feed, key, params, verdict, reason) VALUES (?, ?, ?, 'pending', ?)"
                " ON CONFLICT (feed, key) DO UPDATE SET verdict = 'pending', reason = excluded.reason"
                " WHERE _partition.collected_at IS NULL",
                [(feed, item.key, encode_params(item), reason) for item, reason in partitions],
            )

    def claim(self, run: int, feed: str, state: State, now: datetime, stamp: str = "") -> Lease | None:
        """A lease and a new attempt; None when another live worker holds it, or has done it since it was planned.

        stamp: of the row for which it is collected.
        """
        partition = state.partition
        with transaction(self._connection, durable=False) as sql:
            sql.execute(
                "INSERT INTO _partition (feed, key, params) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (feed, partition.key, encode_params(partition)),
            )
            row = sql.execute(
                "SELECT lease_owner, lease_until, checked_at, lease_token, pass, etag, last_modified, digest, model,"
                " doubted_at, instead, instead_until"
                " FROM _partition WHERE feed = ? AND key = ?",
                (feed, partition.key),
            ).fetchone()
            owner, until, checked = row[:3]
            if self._holds(owner, until, now) or checked != (
                render_moment(state.checked_at) if state.checked_at else None
            ):
                return None
            token, number, etag, modified, digest, model, doubted, instead, lasts = row[3:]
            sql.execute(
                "UPDATE _partition SET lease_owner = ?, lease_token = ?, lease_until = ? WHERE feed = ? AND key = ?",
                (self._workers.me, token + 1, render_moment(now + LEASE), feed, partition.key),
            )
            attempt = sql.execute(
                "INSERT INTO _attempt (run, feed, partition, pass, started_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
                (run, feed, partition.key, number, render_moment(now)),
            ).fetchone()[0]
        return Lease(
            *(feed, partition, token + 1, attempt, number, etag, modified, digest, model, stamp, _moment(doubted)),
            _instead(instead, lasts, now),
        )

    def held(self, feed: str, key: str, now: datetime) -> bool:
        """Whether a live worker has a partition now. What a dead one had, or one that was stopped for too long, nobody
        has.
        """
        with mapped():
            owner, until = self._connection.execute(
                "SELECT lease_owner, lease_until FROM _partition WHERE feed = ? AND key = ?", (feed, key)
            ).fetchone()
        return self._holds(owner, until, now)

    def _holds(self, owner: str | None, until: str, now: datetime) -> bool:
        return owner is not None and parse_moment(until) > now and self._workers.alive(owner)

    def begin_pass(self, lease: Lease) -> Lease:
        """The lease for a new pass: what was answered in the one so far is not used again."""
        with transaction(self._connection, durable=False) as sql:
            self.check(sql, lease)
            (number,) = sql.execute(
                "UPDATE _partition SET pass = pass + 1 WHERE feed = ? AND key = ? RETURNING pass",
                (lease.feed, lease.partition.key),
            ).fetchone()
            sql.execute("UPDATE _attempt SET pass = ? WHERE id = ?", (number, lease.attempt))
        return replace(lease, number=number)

    def renew(self, lease: Lease, now: datetime) -> None:
        """Holds the lease for another while; LeaseLost when somebody else has it."""
        with transaction(self._connection, durable=False) as sql:
            self.check(sql, lease)
            sql.execute(
                "UPDATE _partition SET lease_until = ? WHERE feed = ? AND key = ?",
                (render_moment(now + LEASE), lease.feed, lease.partition.key),
            )

    def release(self, lease: Lease, reason: str) -> None:
        """Gives the lease back without a verdict: the work goes on later, from the same pass. An attempt that ended
        meanwhile keeps what it ended with.
        """
        with transaction(self._connection, durable=False) as sql:
            sql.execute(
                "UPDATE _partition SET lease_owner = NULL, lease_until = NULL,"
                " reason = CASE WHEN verdict IS NULL THEN ? ELSE reason END"
                " WHERE feed = ? AND key = ? AND lease_token = ?",
                (reason, lease.feed, lease.partition.key, lease.token),
            )
            sql.execute("UPDATE _attempt SET reason = ? WHERE id = ? AND verdict IS NULL", (reason, lease.attempt))

    def leave(self, feed: str, keys: Sequence[str], until: datetime) -> None:
        """Partitions that are not asked again before that moment."""
        with transaction(self._connection, durable=False) as sql:
            sql.executemany(
                "UPDATE _partition SET retry_at = ? WHERE feed = ? AND key = ?",
                [(render_moment(until), feed, key) for key in keys],
            )

    def pages(self, feed: str) -> dict[str, int]:
        """Partition key -> how many requests its last complete pass took, where that is archived."""
        with mapped():
            rows = self._connection.execute(
                "SELECT e.partition, count(*) FROM _exchange e JOIN"
                " (SELECT partition, max(pass) AS pass FROM _attempt WHERE feed = ? AND verdict = 'complete'"
                " GROUP BY partition) a ON a.partition = e.partition AND a.pass = e.pass"
                " WHERE e.feed = ? AND e.status < 400 GROUP BY e.partition",
                (feed, feed),
            ).fetchall()
        return dict(rows)

    def finish(self, lease: Lease, outcome: Outcome, now: datetime) -> None:
        """Writes a verdict that changes no record."""
        with transaction(self._connection, durable=False) as sql:
            self.check(sql, lease)
            self.close(sql, lease, outcome, now)

    @staticmethod
    def restamp(sql: Connection, feed: str, stamps: Mapping[str, tuple[str, str]]) -> None:
        """Inside a transaction: the rows that partitions come from have other stamps by now, and say the same.

        stamps: partition key -> the stamp before, and now. A partition with any other stamp has a changed row anyway.
        """
        sql.executemany(
            "UPDATE _partition SET stamp = ? WHERE feed = ? AND key = ? AND stamp = ?",
            [(now, feed, key, before) for key, (before, now) in stamps.items()],
        )

    @staticmethod
    def check(sql: Connection, lease: Lease) -> None:
        """Inside a transaction: is the token still ours? A process that slept past its lease ends here.

        So does one whose lease was given back: an attempt ends once, whatever goes wrong after its commit.
        """
        row = sql.execute(
            "SELECT lease_token FROM _partition WHERE feed = ? AND key = ? AND lease_owner IS NOT NULL",
            (lease.feed, lease.partition.key),
        ).fetchone()
        if row is None or row[0] != lease.token:
            raise LeaseLost(lease.label)

    @staticmethod
    def close(
        sql: Connection,
        lease: Lease,
        outcome: Outcome,
        now: datetime,
        *,
        revision: int = 0,
        records: int | None = None,
        model: str = "",
    ) -> None:
        """Inside a transaction: ends the attempt and, unless that goes on, its pass; gives the lease back.

        model: of the declaration that merged the answer; "" when nothing was merged.
        """
        at = render_moment(now)
        failures = sql.execute(
            "SELECT failures FROM _partition WHERE feed = ? AND key = ?", (lease.feed, lease.partition.key)
        ).fetchone()[0]
        failures = failures + 1 if outcome.verdict in ("failed", "partial") else 0
        retry = retry_at(outcome.verdict, failures, now, until=outcome.until)
        good = outcome.verdict in GOOD
        sql.execute(
            _CLOSE,
            {
                "verdict": outcome.verdict,
                "reason": outcome.reason,
                "at": at,
                "failures": failures,
                "good": int(good),
                "retry": render_moment(retry) if retry else None,
                "doubted": render_moment(outcome.doubted_at) if outcome.doubted_at else None,
                "instead": msgspec.json.encode(outcome.instead.query).decode() if outcome.instead else "",
                "instead_until": render_moment(outcome.instead.until) if outcome.instead else None,
                "records": records,
                "stamp": lease.stamp,
                "merged": int(bool(model)),
                "ended": int(not outcome.goes_on),
                "etag": outcome.etag,
                "modified": outcome.last_modified,
                "digest": outcome.digest,
                "model": model,
                "feed": lease.feed,
                "key": lease.partition.key,
            },
        )
        _end_attempt(sql, lease.attempt, outcome, revision, at)
        place = (lease.feed, lease.partition.key, lease.attempt)
        note_drift(sql, place, outcome.drift, outcome.sample, outcome.counts.received if model else None, now)


def _end_attempt(sql: Connection, attempt: int, outcome: Outcome, revision: int, at: str) -> None:
    """Writes how an attempt ended. revision: of the collection after it."""
    counts = outcome.counts
    sql.execute(
        "UPDATE _attempt SET ended_at = ?, verdict = ?, reason = ?, requests = ?, bytes = ?, received = ?, new = ?,"
        " changed = ?, back = ?, same = ?, duplicate = ?, conflict = ?, rejected = ?, gone = ?, revision = ?"
        " WHERE id = ?",
        (
            *(at, outcome.verdict, outcome.reason, outcome.requests, outcome.bytes),
            *(counts.received, counts.new, counts.changed, counts.back, counts.same),
            *(counts.duplicate, counts.conflict, counts.rejected, counts.gone, revision, attempt),
        ),
    )


def _state(row: Sequence[Any]) -> State:
    _, params, verdict, reason, checked, collected, first, retry, failures, records, stamp, model, owner = row
    return State(
        decode_params(params),
        verdict,
        reason,
        checked_at=_moment(checked),
        collected_at=_moment(collected),
        first_collected_at=_moment(first),
        retry_at=_moment(retry),
        failures=failures,
        records=records,
        stamp=stamp,
        merged=bool(model),
        held=owner is not None,
    )


def _instead(query: str, until: str | None, now: datetime) -> Instead | None:
    """What is noted of a partition, if it still holds."""
    if until is None or parse_moment(until) <= now:
        return None
    return Instead(tuple((name, value) for name, value in msgspec.json.decode(query)), parse_moment(until))


def _moment(text: str | None) -> datetime | None:
    return parse_moment(text) if text else None


def encode_params(partition: Partition) -> str:
    """The partition's parameters as they stand in the ledger."""
    return msgspec.json.encode(partition.params).decode()


def decode_params(params: str) -> Partition:
    """The partition with the parameters that stand in the ledger."""
    return Partition(tuple((name, value) for name, value in msgspec.json.decode(params)))
