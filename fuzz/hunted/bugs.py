"""Bugs to plant: where, what stands there, what is put in its place, and the tests that should see it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUGS", "Bug"]


@dataclass(frozen=True)
class Bug:
    """file: below `src/catchment`. old stands there once. tests: as pytest takes them."""

    name: str
    file: str
    old: str
    new: str
    tests: str


LEDGER, RECORDS, SWEEP = "tests/store/test_ledger.py", "tests/store/test_records.py", "tests/faults/test_sweep.py"
ERASED, SHARED, WHOLE = "tests/store/test_erase.py", "tests/store/test_shared.py", "tests/store/test_whole_answers.py"
BUDGETS, BUDGET, OPENING = "tests/store/test_budgets.py", "tests/unit/test_budget.py", "tests/store/test_opening.py"
INFLATE, CLIENT, MERGE = "tests/fetch/test_inflate.py", "tests/fetch/test_client.py", "tests/unit/test_merge.py"
COUNTERS = "tests/store/test_counters.py"
PAGED, SHIFTING, RETRY = "tests/paging/test_collected.py", "tests/paging/test_shifting.py", "tests/fetch/test_retry.py"

BUGS = (
    Bug("an attempt ends twice", "store/ledger.py", " AND key = ? AND lease_owner IS NOT NULL", " AND key = ?",
        f"{LEDGER} -k ends_once"),
    Bug("a write is not fenced", "store/ledger.py", "if row is None or row[0] != lease.token:", "if row is None:",
        f"{LEDGER} -k lost_lease"),
    Bug("a killer of workers is never parked", "store/ledger.py", "DEATHS = 3", "DEATHS = 300",
        "tests/faults/test_machine.py -k parked"),
    Bug("a live worker's lease is taken", "store/ledger.py",
        "held = owner and parse_moment(until) > now and self._workers.alive(owner)", "held = False",
        f"{LEDGER} -k only_one_of_two"),
    Bug("a dead worker's lease is kept", "store/ledger.py",
        "parse_moment(until) > now and self._workers.alive(owner)", "parse_moment(until) > now",
        f"{LEDGER} -k killed_process"),
    Bug("a failure is not counted", "store/ledger.py", "failures + 1 if outcome", "failures if outcome",
        f"{LEDGER} -k failures_in_a_row"),
    Bug("a resume asks for everything", "passes.py", "self._walk(feed, lease, deque(kept))",
        "self._walk(feed, lease, deque())", f"{SWEEP} -k killed_at_a_point_and_exchange.kept-last"),
    Bug("an old pass goes on", "passes.py", "if kept and kept[0].answer.at < ", "if kept and self._clock.now() < ",
        f"{PAGED} -k too_old"),
    Bug("another address's answers are mixed in", "passes.py",
        "(kept[0].fingerprint, kept[0].url) != (request.fingerprint, url)",
        "kept[0].fingerprint != request.fingerprint",
        f"{PAGED} -k another_address"),
    Bug("304 that nobody asked for counts", "passes.py", "if _unasked(request, answer):", "if False:",
        "tests/apps/test_never_a_plain_green.py -k not_modified"),
    Bug("moved pages are not walked again", "verdicts.py", "if before is None and error.passing:", "if False:",
        f"{SHIFTING} -k walked_again"),
    Bug("an expired cursor ends the attempt", "verdicts.py", 'kind in ("refused", "pending"):', "kind in ():",
        f"{PAGED} -k expired_cursor_begins"),
    Bug("what is gone is not retired", "store/records.py", "            writer.retire(changes.gone, now)\n", "",
        f"{RECORDS} -k new_changed_gone"),
    Bug("rejects are dropped", "store/records.py", "            writer.reject(rejects, now)\n", "",
        f"{RECORDS} -k reject_is_kept"),
    Bug("versions begin anew", "store/records.py",
        "versions = self._last_versions(changes)", "versions = dict[str, int]()",
        f"{RECORDS} -k numbered_without_gaps"),
    Bug("an old comparison is applied to a new generation", "store/records.py",
        "if self._generation(sql) != self._compared:", "if False:", "tests/store/test_replay.py -k compares_again"),
    Bug("what was looked up meanwhile changed", "store/records.py", "            if mark:\n", "            if False:\n",
        "tests/store/test_fill.py -k looks_again"),
    Bug("a key is echoed", "fetch/body.py", "masking, whole = Masking(secrets), Gather()",
        "masking, whole = Masking(()), Gather()", "tests/fetch/test_secrets.py -k echo_is_masked"),
    Bug("a broken new connection is asked twice", "fetch/client.py",
        "if not self.reused or request.method not in _REPEATABLE:", "if request.method not in _REPEATABLE:",
        "tests/fetch/test_client.py -k asked_once_only"),
    Bug("waits are not stretched", "fetch/retry.py", "seconds * (1 + random() / 4)", "seconds",
        f"{RETRY} -k stretched"),
    Bug("the upstream's wait is undercut", "fetch/retry.py", "max(asked, timedelta(", "(timedelta(",
        f"{RETRY} -k undercut"),
    Bug("a past date is a negative wait", "fetch/retry.py", "return max(aware - now, timedelta(0))",
        "return aware - now",
        f"{RETRY} -k seconds_or_a_date"),
    Bug("a refusal is asked again at once", "plan.py", "return now + REFUSED_FOR", "return now",
        "tests/unit/test_plan.py -k waits_after"),
    Bug("the newest are asked first", "plan.py", "due.sort(key=lambda task: task.state.checked_at or AT_ONCE)",
        "due.reverse()", "tests/unit/test_plan.py -k comes_first"),
    Bug("the verdict is committed before the records", "store/records.py",
        "            self._book.check(sql, lease)\n            if self._generation(sql)",
        "            self._book.check(sql, lease)\n            self._book.close(sql, lease, outcome, now)\n"
        "            sql.execute('COMMIT')\n            sql.execute('BEGIN IMMEDIATE')\n"
        "            if self._generation(sql)",
        f"{SWEEP} -k killed_at_a_point_and_versions.written-first"),
    Bug("the end of a gzip body is not looked for", "fetch/inflate.py", "if self._encoding and not self.ended:",
        "if False:", f"{INFLATE} -k every_cut_point"),
    Bug("a second member of a gzip body is left out", "fetch/inflate.py",
        "data = stream.unused_data if stream.eof else stream.unconsumed_tail", "data = stream.unconsumed_tail",
        f"{INFLATE} -k all_members"),
    Bug("a body that proves no end is taken", "fetch/body.py",
        "proved = framed or inflater.ended or limits.open_ended or response.status >= _FIRST_ERROR", "proved = True",
        f"{CLIENT} -k cut_answers"),
    Bug("half of a pass is merged, and retires", "verdicts.py", "            elif fetched.broken:\n",
        "            elif fetched.broken and not fetched.pages:\n", f"{PAGED} -k partial_run_retires_nothing"),
    Bug("the last page is dropped", "derive.py", "feed, lease, map(body_of, pages), fold, stage,",
        "feed, lease, map(body_of, pages[:-1] or pages), fold, stage,", f"{PAGED} -k every_style"),
    Bug("rows that do not add up to the total are taken", "paging.py", "if self.total and not self.adds_up:",
        "if False:", f"{PAGED} -k cannot_be_proved"),
    Bug("the first of two with one key counts", "merge.py", "self._first_wins = feed.conflict is FIRST",
        "self._first_wins = True", f"{MERGE} -k compared_with"),
    Bug("a row that cannot be read retires its record", "derive.py",
        "return () if None in named and nameless else (", "return (", f"{RECORDS} -k cannot_be_named"),
    Bug("a record that is its content is retired when its row cannot be read", "derive.py",
        " and key not in held)", ")", f"{RECORDS} -k that_it_may_be"),
    Bug("many records vanish on one word", "rules.py",
        "if before >= rule.least and (not left or before - left > rule.share * before):", "if False:",
        f"{WHOLE} -k do_not_vanish"),
    Bug("what another partition still has is retired", "store/records.py", "            if self._sharing:\n",
        "            if False:\n", f"{SHARED} -k drops_stays"),
    Bug("an erased record is brought back", "decode.py",
        "if erased and not isinstance(found, Dropped) and erased.holds(", "if False and erased.holds(",
        f"{ERASED} -k does_not_bring_it_back"),
    Bug("the budget is forgotten on restart", "store/budgets.py",
        "        self._connection = connection\n",
        "        self._connection = connection\n        connection.execute('DELETE FROM _budget')\n",
        f"{BUDGETS} -k spent_after_reopening"),
    Bug("an erased record outlives a pass that failed", "verdicts.py",
        "if outcome.verdict not in GOOD and not outcome.goes_on:", "if False:",
        "tests/paging/test_erased.py -k none_is_left"),
    Bug("broken partitions keep others from being asked", "line.py", "return self._failed >= MOST", "return False",
        "tests/faults/test_breaker.py -k keep_none"),
    Bug("two spend the same place in the budget", "store/engines/sqlite.py", '"BEGIN IMMEDIATE"', '"BEGIN"',
        f"{OPENING} -k two_that_read_first"),
    Bug("a large body loses the rows between two blocks", "cut.py",
        "                yield _array(window.take(end, skip=1))\n", "                window.take(end, skip=1)\n",
        "tests/unit/test_cut.py -k wherever"),
    Bug("a pause holds for one process alone", "store/budgets.py", "if now is None or now < until:", "if False:",
        f"{BUDGETS} -k pause_holds_for_everybody"),
    Bug("a clock that is set back shuts the upstream", "budget.py",
        "min(max(count.until or now, now), now + interval * budget.burst)", "max(count.until or now, now)",
        f"{BUDGET} -k set_back"),
    Bug("a counter keeps what ended", "store/counting.py", 'sign=-1, by="_key"', 'sign=0, by="_key"',
        f"{COUNTERS} -k follows_every"),
    Bug("a counter is not told of an erasure", "store/erase.py",
        '                counting.move(sql, self._collection, self._collection.table, "_key = ?", (key,), sign=-1)\n',
        "                pass\n", f"{COUNTERS} -k was_erased"),
    Bug("a counter is not told of rows that are carried over", "store/carrying.py", "        if self.counted:\n",
        "        if False:\n", f"{COUNTERS} -k after_a_replay"),
    Bug("a counter that is behind is believed", "store/counters.py", 'return f"{revision} {said}"', "return said",
        f"{COUNTERS} -k is_noticed"),
    Bug("a counter keeps what is shown no more", "store/change.py", "[row.key] * len(names), sign=-1)",
        "[row.key] * len(names), sign=0)", "tests/resources/test_counters.py -k that_went"),
    Bug("statistics forget that a null is a group", "store/aggregate.py", "None if stored is None else read(stored)",
        "0 if stored is None else read(stored)", "tests/serve/test_stats.py -k answered"),
    Bug("statistics take every zone for UTC", "store/statistics.py", "return ZoneInfo(self.zone) if self.zone not in",
        "return None if self.zone not in", "tests/serve/test_stats.py -k begin_where"),
    Bug("a sum forgets how large a number is", "store/sums.py", '"0" * (int(top) - int(head[1:]))', '""',
        "tests/serve/test_reader.py -k add_up_exactly"),
)  # fmt: skip
