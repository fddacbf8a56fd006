"""Other people's APIs, as your own.

Declare a feed or a resource with the names below; `catchment.web` has what an app's own routes may use,
`catchment.standin` what a stand-in upstream is made of.
"""

from __future__ import annotations

from .app import App, RawFiles
from .auth import BasicAuth, BearerAuth, HeaderKey, QueryKey
from .chained import counted, listed_by, rows_of
from .errors import CatchmentError, DeclarationError, DecodeError, PagingError
from .exchange import Answer, Request
from .feed import CONTENT, FIRST, KEEP, LAST, RETIRE, Compared, Derived, Feed, Get
from .grouping import Counter
from .page import Page
from .paging import by_cursor, by_header_link, by_link, by_offset, by_page, first_page
from .partitions import Partition, days, each, grid, months, when
from .record import Record
from .resource import REFUSE, REPLACE, Link, Refusal, Resource, Rollup, Spelling, WriteLimit
from .rows import items, table
from .rules import Answered, Confirm, Lookup, Met
from .schedule import Cron, Every, changed, older_than
from .settings import Secret, Setting
from .upstream import Budget, Meaning, Upstream, read_http

__all__ = [
    "CONTENT",
    "FIRST",
    "KEEP",
    "LAST",
    "REFUSE",
    "REPLACE",
    "RETIRE",
    "Answer",
    "Answered",
    "App",
    "BasicAuth",
    "BearerAuth",
    "Budget",
    "CatchmentError",
    "Compared",
    "Confirm",
    "Counter",
    "Cron",
    "DeclarationError",
    "DecodeError",
    "Derived",
    "Every",
    "Feed",
    "Get",
    "HeaderKey",
    "Link",
    "Lookup",
    "Meaning",
    "Met",
    "Page",
    "PagingError",
    "Partition",
    "QueryKey",
    "RawFiles",
    "Record",
    "Refusal",
    "Request",
    "Resource",
    "Rollup",
    "Secret",
    "Setting",
    "Spelling",
    "Upstream",
    "WriteLimit",
    "by_cursor",
    "by_header_link",
    "by_link",
    "by_offset",
    "by_page",
    "changed",
    "counted",
    "days",
    "each",
    "first_page",
    "grid",
    "items",
    "listed_by",
    "months",
    "older_than",
    "read_http",
    "rows_of",
    "table",
    "when",
]

__version__ = "0.1.0"
