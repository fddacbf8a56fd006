"""What was erased, as it is stored; and the bodies that hold it again, each time an upstream says it once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..erased import NOTHING, Erased
from ..errors import MergeOutdated
from ..feed import CONTENT, Feed
from ..scrub import scrubbed
from .archive import Archive
from .engines import Connection, transaction
from .lease import Lease
from .tables import Collection

__all__ = ["NO_BURN", "Burn", "burn_pass", "drop_body", "erased_of", "erased_under", "forget_answers", "was_merged"]


def erased_of(sql: Connection, collection: Collection) -> Erased:
    """The erased keys of a collection, whichever of its generations it is."""
    numbered = isinstance(collection.feed, Feed) and collection.feed.key is CONTENT
    return erased_under(sql, _name(collection), numbered=numbered)


def erased_under(sql: Connection, name: str, *, numbered: bool = False) -> Erased:
    """What is noted as erased under a name."""
    row = sql.execute("SELECT value FROM _meta WHERE name = 'erased-key'").fetchone()
    hashes = frozenset(found for (found,) in sql.execute(_HASHES, (name,)))
    return Erased(bytes.fromhex(row[0]) if row else b"", hashes, numbered)


_HASHES = "SELECT hash FROM _erased WHERE collection = ?"


def _name(collection: Collection) -> str:
    return f"{collection.app}/{collection.feed.name}"


def drop_body(sql: Connection, digest: str, feed: str) -> None:
    """Inside a transaction: removes a body; not one that another feed's answer has too."""
    sql.overwrites()
    sql.execute(
        "DELETE FROM _body WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM _exchange WHERE digest = ? AND feed <> ?)",
        (digest, digest, feed),
    )


def forget_answers(sql: Connection, feed: str, partition: str) -> None:
    """Inside a transaction: the partition's next answer is merged, whatever was said before."""
    sql.execute(
        "UPDATE _partition SET digest = '', etag = '', last_modified = '', doubted_digest = ''"
        " WHERE feed = ? AND key = ?",
        (feed, partition),
    )


@dataclass(frozen=True, slots=True)
class Burn:
    """What a commit looks at and removes. erased: what its rows were held against. digests: of bodies that have rows of
    erased records that could not be cut out before they were archived.
    """

    erased: Erased = NOTHING
    digests: Sequence[str] = ()

    def apply(self, sql: Connection, collection: Collection) -> None:
        """Inside a transaction. MergeOutdated where something was erased while the rows were read."""
        if erased_of(sql, collection).hashes != self.erased.hashes:
            raise MergeOutdated(f"{collection.name}: a record was erased meanwhile")
        for digest in self.digests:
            drop_body(sql, digest, _name(collection))


NO_BURN = Burn()


def burn_pass(connection: Connection, collection: Collection, lease: Lease) -> None:
    """Removes those bodies of a pass that have rows of erased records which could not be cut out, and those of which
    nobody can tell. For a pass that ends without a commit: before its end, so that none outlives it, whatever happens
    in between.
    """
    assert isinstance(collection.feed, Feed)
    if not (erased := erased_of(connection, collection)):
        return
    archive = Archive(connection)
    for page in archive.answered(lease.feed, lease.partition.key, lease.number):
        body = archive.whole(page).answer.content
        if not body:
            continue
        try:
            certain = scrubbed(collection.feed, lease.partition, body, erased) is not None
        except Exception:  # noqa: BLE001 (whatever the feed's own function raises: it tells nothing of the rows)
            certain = was_merged(connection, page.digest)
        if not certain:
            with transaction(connection, durable=True) as sql:
                drop_body(sql, page.digest, lease.feed)


def was_merged(connection: Connection, digest: str) -> bool:
    """Whether a pass that ended complete has this body: it was read there, and rid of what was erased by then."""
    return connection.execute(_COMPLETE_WITH, (digest,)).fetchone() is not None


_COMPLETE_WITH = (
    "SELECT 1 FROM _exchange e JOIN _attempt a ON a.feed = e.feed AND a.partition = e.partition AND a.pass = e.pass"
    " WHERE e.digest = ? AND a.verdict = 'complete' LIMIT 1"
)
