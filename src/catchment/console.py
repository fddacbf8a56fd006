"""What a person sees of what was done: tables of what came, and lines that say what is missing and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import get_args

from rich.table import Table
from rich.text import Text

from .operate import Standing
from .plan import GOOD, Plan, Verdict
from .replay import Left, Replayed
from .runs import Forecast, Result, Summary, in_words
from .store.audit import Tried
from .store.check import Checked
from .store.desk import Noted, Reason, Rejected
from .store.erase import Gone
from .store.person import Removed
from .upstream import NEVER

__all__ = [
    "check_table",
    "drift_lines",
    "dry_lines",
    "gone_lines",
    "left_lines",
    "order_lines",
    "paused_lines",
    "person_lines",
    "plan_table",
    "planned_row",
    "rejects_tables",
    "replay_table",
    "result_lines",
    "status_table",
    "summary_table",
]

_STYLES = {"complete": "green", "unchanged": "green", "pending": "yellow", "partial": "yellow", "": "yellow"}
WIDE = 100
"""Columns of a screen on which every table has all of its columns."""

_FIRST = 3
"""Partitions of a plan that are named."""
_LISTED = 8
"""Incomplete partitions named one by one; the rest is counted."""


@dataclass
class _Line:
    """One feed's row of the summary."""

    verdicts: Counter[str] = field(default_factory=Counter)
    received: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    rejected: int = 0


def summary_table(
    summaries: Mapping[str, Summary],
    stored: Mapping[str, int],
    written: Mapping[str, int] = MappingProxyType({}),
    *,
    width: int = WIDE,
) -> Table:
    """What came: a row a feed.

    Args:
        summaries: app -> what its run brought. stored: collection -> records it holds now. written: the same of what
            people wrote. width: of the screen; on a narrow one a column that would hold nothing but zeros is left out.
    """
    lines: dict[str, _Line] = {name: _Line() for name in stored}
    for app, summary in summaries.items():
        for name, number in summary.fresh.items():
            lines[f"{app}/{name}"].verdicts["not due"] += number
        for result in summary.results:
            _add(lines[result.feed], result)
    rows = [
        (
            name,
            *(f"{number:,}" for number in (stored[name], line.received, line.new, line.changed, line.gone)),
            f"{line.rejected:,}",
            _verdicts(line.verdicts),
        )
        for name, line in lines.items()
    ]
    rows += [(name, f"{number:,}", *[""] * 5, "written by people") for name, number in written.items()]
    titles = ("collection", "stored>", "received>", "new>", "changed>", "gone>", "rejects>", "partitions")
    return _table(titles, rows, width)


def _add(line: _Line, result: Result) -> None:
    line.verdicts[result.verdict or f"not asked ({result.reason})"] += 1
    line.received += result.counts.received
    line.new += result.counts.new + result.counts.back
    line.changed += result.counts.changed
    line.gone += result.counts.gone
    line.rejected += result.counts.rejected


def _verdicts(counts: Counter[str]) -> str:
    order = {verdict: place for place, verdict in enumerate(get_args(Verdict))}  # not that in which they came
    shown = [
        (name, counts[name]) for name in sorted(counts, key=lambda name: order.get(name, len(order))) if counts[name]
    ]
    if not shown:
        return "[dim]none expected[/dim]"
    return ", ".join(f"[{_style(name)}]{number:,} {name}[/{_style(name)}]" for name, number in shown)


def _style(verdict: str) -> str:
    return "dim" if verdict == "not due" else _STYLES.get(verdict, "red")


def result_lines(results: Iterable[Result]) -> list[str]:
    """What is incomplete, why, and when it is tried again; equal ones together."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        if result.verdict not in GOOD:
            said = (
                f"{result.verdict or 'not asked'}: {in_words(result.reason)}" if result.reason else f"{result.verdict}"
            )
            groups.setdefault((result.feed, said, _again(result.until)), []).append(result)
    return [_group(feed, said, when, members) for (feed, said, when), members in groups.items()]


def _again(until: datetime | None) -> str:
    """When what is incomplete is tried again."""
    if until == NEVER:
        return ", not asked again"
    return f", not before {until:%Y-%m-%d %H:%M} UTC" if until else ", again when it is collected next"


def dry_lines(results: Iterable[Result], last: Mapping[tuple[str, str], str | None]) -> list[str]:
    """What each partition answered, with its last record as JSON; and what was not asked.

    last: collection and partition -> the record; "" where the answer was read and had none, None where none could be
    read; of what was asked alone.
    """
    lines, rest = [], []
    for result in results:
        place = (result.feed, result.partition)
        if place not in last:
            rest.append(result)
            continue
        numbers = {
            name: getattr(result.counts, name) for name in ("received", "new", "changed", "same", "gone", "rejected")
        }
        said = ", ".join(f"{number:,} {name}" for name, number in numbers.items())
        reason = f" ({result.reason})" if result.reason else ""
        lines.append(f"{result.feed} {result.partition}".rstrip() + f": {result.verdict}{reason}, {said}")
        if record := last[place]:
            lines.append(record)
        elif not result.counts.received and (record is not None or result.verdict in (*GOOD, "pending")):
            lines.append("No records returned")
    return [*lines, *result_lines(rest)] or ["Nothing is due: nothing was asked"]


def _group(feed: str, said: str, when: str, members: Sequence[Result]) -> str:
    names = " ".join(result.partition for result in members[:_LISTED] if result.partition)
    more = f" and {len(members) - _LISTED} more" if len(members) > _LISTED else ""
    return f"{feed}: {len(members)} {said}{when}{f': {names}{more}' if names else ''}"


def status_table(standings: Sequence[Standing], now: datetime, *, width: int = WIDE) -> Table:
    """How every collection stands: a row a collection."""
    rows = [
        (
            *(item.collection, f"{item.records:,}", f"{item.revision:,}"),
            "written by people" if item.written else _verdicts(Counter(item.verdicts)),
            _age(now - item.oldest) if item.oldest else "" if item.off or item.written else "never collected",
            "" if item.written else "unlimited" if item.left_today is None else f"{item.left_today:,}",
            f"{item.paused_until:%Y-%m-%d %H:%M} {item.paused_for}" if item.paused_until else item.paused_for,
        )
        for item in standings
    ]
    titles = ("collection", "records>", "revision>", "partitions", "oldest", "left today", "paused until (UTC)")
    return _table(titles, rows, width)


_SPARE = ("changed>", "gone>", "rejects>", "held>", "done by (UTC)", "paused until (UTC)")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Table:
    """The rows below their titles; a title that ends in `>` is of numbers, at the right.

    One of `_SPARE` that says nothing in any row is left out of a narrow screen.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    shown = [
        place
        for place, title in enumerate(titles)
        if width >= WIDE or title not in _SPARE or any(row[place] not in ("", "0") for row in rows)
    ]
    for place in shown:
        title = titles[place].removesuffix(">")
        table.add_column(
            title, justify="right" if title != titles[place] else "left", no_wrap=title not in ("partitions", "name")
        )
    for row in rows:
        table.add_row(*(row[place] for place in shown))
    return table


def _age(span: timedelta) -> str:
    """A span in its largest whole unit."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def plan_table(forecasts: Mapping[str, Sequence[Forecast]], *, width: int = WIDE) -> Table:
    """What is due, what it costs and when it will be done: a row a feed. forecasts: app -> its feeds."""
    rows = []
    for app, feeds in forecasts.items():
        for item in feeds:
            due, plan = len(item.plan.due), item.plan
            numbers = [f"{number:,}" for number in (due, len(plan.held), plan.good)] + [_calls(item)]
            left = "unlimited" if item.left is None else f"{item.left:,}"
            done = f"{item.done:%Y-%m-%d %H:%M:%S}" if due else ""
            rows.append((f"{app}/{plan.feed.name}", *numbers, left, done, _next_due(plan)))
    titles = ("collection", "due>", "held>", "not due>", "calls>", "left today>", "done by (UTC)", "next due (UTC)")
    return _table(titles, rows, width)


def _calls(item: Forecast) -> str:
    return f"{item.calls:,}" + f" ({item.units:,} units)" * (item.units != item.calls)


def _next_due(plan: Plan) -> str:
    if plan.paused is not None:
        return "paused"
    return "now" if plan.due else f"{plan.next:%Y-%m-%d %H:%M}" if plan.next else ""


def planned_row(app: str, item: Forecast) -> dict[str, object]:
    """The row of `plan_table` for a script. left_today: None where no day is counted."""
    plan = item.plan
    return {
        "collection": f"{app}/{plan.feed.name}",
        "due": len(plan.due),
        "held": len(plan.held),
        "not_due": plan.good,
        "calls": item.calls,
        "units": item.units,
        "left_today": item.left,
        "done": item.done if plan.due else None,
        "next_due": None if plan.due else plan.next,
        "paused_until": item.paused.until if item.paused else None,
        "paused_for": item.paused.reason if item.paused else "",
    }


def order_lines(forecasts: Mapping[str, Sequence[Forecast]]) -> list[str]:
    """What each feed asks for first, and why: a line a feed."""
    lines = []
    for app, feeds in forecasts.items():
        for item in feeds:
            if len(due := item.plan.due) > 1:
                first = ", ".join(f"{task.partition.key} ({task.why})" for task in due[:_FIRST])
                rest = f" and {len(due) - _FIRST:,} more" * (len(due) > _FIRST)
                lines.append(f"{app}/{item.plan.feed.name} in this order: {first}{rest}")
    return lines


def paused_lines(forecasts: Mapping[str, Sequence[Forecast]]) -> list[str]:
    """Which upstreams nobody asks now, until when and why: a line an upstream."""
    found = {item.plan.feed.upstream.name: item.paused for feeds in forecasts.values() for item in feeds}
    return [
        f"{name}: not asked before {wait.until:%Y-%m-%d %H:%M} UTC ({wait.reason})"
        for name, wait in found.items()
        if wait
    ]


def replay_table(done: Sequence[Replayed]) -> Table:
    """What was derived again: a row a collection."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("collection", no_wrap=True)
    for name in ("generation", "answers", "records", "records before", "rejects", "rejects before", "left"):
        table.add_column(name, justify="right")
    for item in done:
        numbers = (item.generation, item.passes, item.after.records, item.before.records)
        more = (item.after.rejects, item.before.rejects, len(item.left))
        table.add_row(item.collection, *(f"{number:,}" for number in (*numbers, *more)))
    return table


def left_lines(done: Iterable[Replayed]) -> list[str]:
    """What could not be derived again, and why; equal reasons of a collection together."""
    groups: dict[tuple[str, str], list[Left]] = {}
    for collection in done:
        for item in collection.left:
            said = f"{item.reason}; {'kept as it was' if item.kept else 'an earlier state, which is gone'}"
            groups.setdefault((collection.collection, said), []).append(item)
    return [
        _group(name, said, "", [Result(name, item.partition, None) for item in members])
        for (name, said), members in groups.items()
    ]


def gone_lines(gone: Gone, verb: str) -> list[str]:
    """What an erasure removed, or would, and what it leaves."""
    bodies = f"{gone.rewritten:,} archived bodies lose their rows, {gone.removed:,} go whole"
    rows = f"{gone.records:,} records, {gone.versions:,} older versions and {gone.rejects:,} rejects {verb}"
    lines = [f"{gone.collection}: {rows}; {bodies}", *(f"left: {line}" for line in gone.left)]
    if verb == "are gone" and not gone.done:
        lines.append(
            "left: the file may still hold the text: somebody reads it, or it was answered again; erase once more later"
        )
    return lines


def person_lines(left: Removed, verb: str) -> list[str]:
    """What an erasure of a person removed, or would, and what it leaves."""
    stay = "stay" if verb == "are gone" else "would stay"
    lines = [
        f"{item.collection}: {item.records:,} records {stay}, as nobody's; {item.versions:,} older versions {verb}"
        if item.nameless
        else f"{item.collection}: {item.records:,} records and {item.versions:,} older versions {verb}"
        for item in left.wrote
    ]
    lines.append(f"{left.keys:,} API keys {verb}; {left.entries:,} entries of the audit {stay}, without the name")
    lines += [f"left: {line}" for line in left.left]
    if verb == "are gone" and not left.done:
        lines.append("left: the file may still hold the name: somebody reads it; erase once more later")
    return lines


def drift_lines(standings: Iterable[Standing]) -> list[str]:
    """What upstreams changed lately: a line a kind and field, the newest first; and a row of what is held for it."""
    lines = []
    for standing in standings:
        groups: dict[tuple[str, str, str], list[Noted]] = {}
        for item in standing.drift:
            said = "" if item.kind == "rejects" else item.detail  # that has other numbers each time
            groups.setdefault((item.kind, item.field, said), []).append(item)
        for (kind, about, _), members in groups.items():
            detail = f"({members[0].detail})" if members[0].detail else ""
            lines.append(" ".join(filter(None, (f"{standing.collection}:", kind, about, detail, _when(members)))))
        if standing.unreadable:
            lines.append(f"{standing.collection}: one of these rows: {standing.unreadable}")
    return lines


def _when(members: Sequence[Noted]) -> str:
    """Since when it was noted, and where last. members: newest first."""
    first, last = (item.at[:16].replace("T", " ") for item in (members[-1], members[0]))
    said = f"at {last} UTC" if len(members) == 1 else f"since {first}, {len(members)} times, last at {last} UTC"
    return f"{said}: {members[0].partition or 'the only partition'}"


def rejects_tables(reasons: Sequence[Reason], rejects: Sequence[Rejected]) -> list[Table]:
    """Why rows became no records, a row a reason; and some of those rows, shortened."""
    counted = Table(box=None, header_style="bold", pad_edge=False)
    shown = Table(box=None, header_style="bold", pad_edge=False)
    counted.add_column("collection", no_wrap=True)
    for name in ("rejects", "partitions"):
        counted.add_column(name, justify="right")
    for name in ("field", "reason"):
        counted.add_column(name)
    for item in reasons:
        counted.add_row(item.collection, f"{item.count:,}", f"{item.partitions:,}", Text(item.path), Text(item.reason))
    for name in ("id", "partition", "attempt", "field", "reason", "row"):
        shown.add_column(name)
    for row in rejects:
        cut = " …" if row.cut else ""
        texts = (row.partition or "-", str(row.last_attempt), row.path, row.reason, row.raw + cut)
        shown.add_row(str(row.id), *map(Text, texts))
    return [counted, shown] if rejects else [counted]


def audit_table(tried: Sequence[Tried]) -> Table:
    """Who tried what: a row a try."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("when", "result", "action", "object", "versions", "user", "key", "request"):
        table.add_column(name, no_wrap=name in ("when", "result"))
    for item in tried:
        known = [str(version) for version in (item.before, item.after) if version is not None]
        texts = (item.action, item.object, " to ".join(known), item.principal, item.key_id, item.request_id)
        table.add_row(item.at[:19], item.result, *map(Text, texts))
    return table


def check_table(found: Sequence[Checked]) -> Table:
    """Which invariants hold: a row a rule."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("invariant")
    table.add_column("looked at", justify="right")
    table.add_column("wrong", justify="right")
    for item in found:
        wrong = f"[red]{item.wrong:,}[/red]" if item.wrong else "[green]0[/green]"
        table.add_row(item.rule, item.says, f"{item.looked:,}", wrong)
    return table
