"""The faults that a collector meets, as data: what happens, how it is done, and what must hold.

A `Wire` is run from here: the stand-in spoils its answers about one ship, and the verdict, the requests, the stored
rows and the other ships are looked at. `Proof` names tests that do the rest; they are run where they stand. What does
not apply says why. The numbers are for good: F63 is F63 wherever a fault is spoken of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["complete", "partial", "failed", "refused"]


@dataclass(frozen=True)
class Wire:
    """A fault of the stand-in. rule: as its control takes it. verdict: of the partition that meets it, in that run.

    requests: sent for that partition's first page; 0 where a run may differ. reason: stands in the verdict's reason.
    """

    rule: Mapping[str, Any]
    verdict: Verdict = "failed"
    requests: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Proof:
    """Tests by file and function."""

    tests: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A fault. left: why it is not tried, or what of it is not."""

    number: str
    what: str
    must: str
    wires: tuple[Wire, ...] = ()
    proof: Proof = field(default=Proof(()))
    left: str = ""


def wire(fault: str, verdict: Verdict = "failed", requests: int = 0, reason: str = "", **options: Any) -> Wire:
    return Wire({"fault": fault, **options}, verdict, requests, reason)


def proof(*tests: str) -> Proof:
    return Proof(tests)


TRIES = 3
"""Requests of an attempt that is tried as often as the upstream here declares."""

CLIENT, PAGED, SHIFTING = (
    "tests/fetch/test_client.py::",
    "tests/paging/test_collected.py::",
    "tests/paging/test_shifting.py::",
)
DECODE, STRICT, RECORDS = "tests/unit/test_decode.py::", "tests/unit/test_strict.py::", "tests/store/test_records.py::"
KILL, SWEEP, LEDGER = "tests/e2e/test_kill.py::", "tests/faults/test_sweep.py::", "tests/store/test_ledger.py::"
OPENING, WHOLE, PLAN = (
    "tests/store/test_opening.py::",
    "tests/store/test_whole_answers.py::",
    "tests/unit/test_plan.py::",
)
BREAKER = "tests/faults/test_breaker.py::"
GREEN, MACHINE = "tests/apps/test_never_a_plain_green.py::", "tests/faults/test_machine.py::"
AWAY = "tests/engines/test_away.py::"

TRANSPORT = (
    Row(
        "F01",
        "connection refused",
        "the partition waits and fails alone",
        proof=proof(CLIENT + "test_connection_refused"),
    ),
    Row(
        "F02",
        "accepts, never answers",
        "a deadline for headers",
        proof=proof(CLIENT + "test_no_answer_at_all_is_cut_at_the_header_deadline"),
    ),
    Row(
        "F03",
        "drips",
        "a deadline for the whole",
        proof=proof(CLIENT + "test_dripping_headers_are_cut", CLIENT + "test_a_dripping_body_is_cut_at_the_deadline"),
    ),
    Row(
        "F04",
        "reset in the body",
        "asked again, then failed",
        (
            wire("reset"),
            wire("reset", after=1),
            wire("drop"),
            wire("reset", "complete", 2, call=1),
        ),
        proof(CLIENT + "test_reset_at_each_of_twenty_places"),
    ),
    Row(
        "F05",
        "closed before its length",
        "nothing of it is taken",
        (wire("truncate", requests=TRIES), wire("truncate", "complete", 2, call=1)),
    ),
    Row("F06", "longer than its length", "nothing of it is taken", (wire("long"),)),
    Row(
        "F07",
        "neither length nor chunks",
        "taken only where the document proves its end",
        (wire("early-close", requests=TRIES), wire("until-close", "complete", 1)),
        proof(CLIENT + "test_cut_answers"),
    ),
    Row(
        "F08",
        "no last chunk",
        "nothing of it is taken",
        (wire("no-last-chunk", requests=TRIES), wire("chunked", "complete", 1)),
    ),
    Row(
        "F09",
        "gzip cut, or of several members",
        "the stream must end; all members are read",
        (wire("gzip-cut", requests=TRIES), wire("gzip-members", "complete", 1)),
        proof("tests/fetch/test_inflate.py::test_every_cut_point_is_caught"),
    ),
    Row("F10", "gzip with a wrong sum, or none", "nothing of it is taken", (wire("gzip-crc"), wire("gzip-false"))),
    Row(
        "F11",
        "a bomb, two encodings, an unknown one",
        "cut at the cap; refused",
        (wire("gzip-bomb"), wire("encoding-double"), wire("encoding-unknown")),
    ),
    Row(
        "F12",
        "an endless body",
        "cut while it streams",
        proof=proof(CLIENT + "test_an_endless_body_is_cut_while_it_streams"),
    ),
    Row("F13", "too many or too long headers", "nothing of it is taken", (wire("header-bomb"), wire("header-line"))),
    Row(
        "F14",
        "a redirect loop, or to nowhere",
        "refused, once",
        (wire("redirect", "refused", 1, "redirect"), wire("redirect", "refused", 1, "redirect", location="none")),
        proof(CLIENT + "test_a_redirect_loop_ends"),
    ),
    Row(
        "F15",
        "a redirect to another host",
        "refused; no key goes along",
        (wire("redirect", "refused", 1, "redirect", location="https://elsewhere.example/"),),
        proof(CLIENT + "test_no_key_goes_to_another_port"),
    ),
    Row(
        "F16",
        "addresses that are not public",
        "refused before a connection",
        proof=proof(
            "tests/fetch/test_addresses.py::test_other_addresses_are_refused",
            CLIENT + "test_a_private_address_is_not_connected_to",
        ),
    ),
    Row(
        "F17",
        "a name that means another address the second time",
        "what was checked is connected to",
        proof=proof(CLIENT + "test_the_checked_address_is_the_one_connected_to"),
    ),
    Row(
        "F18",
        "from https to http",
        "refused",
        proof=proof(
            CLIENT + "test_http_stays_within_the_allowed_networks", CLIENT + "test_redirects_that_are_never_followed"
        ),
    ),
    Row(
        "F19",
        "bad certificates and handshakes",
        "final, but for handshakes that may pass",
        proof=proof(
            "tests/fetch/test_tls.py::test_bad_certificates_are_final",
            "tests/fetch/test_tls.py::test_broken_handshakes",
        ),
    ),
    Row(
        "F20",
        "proxies and netrc in the environment",
        "ignored",
        proof=proof(CLIENT + "test_proxies_and_netrc_of_the_environment_are_ignored"),
    ),
    Row(
        "F21",
        "a kept connection that closes",
        "asked again once, in silence",
        (wire("close", "complete", 1),),
        proof(CLIENT + "test_a_kept_connection_closed_meanwhile_is_asked_again_once"),
    ),
    Row(
        "F22",
        "early hints, HTTP/1.0, odd headers",
        "understood",
        (wire("informational", "complete", 1), wire("http-1.0", "complete", 1), wire("lower-case", "complete", 1)),
    ),
)

HTTP = (
    Row(
        "F23",
        "429 with seconds",
        "waited for, by everybody",
        (wire("status", "complete", 2, status=429, retry_after="7", call=1),),
        proof("tests/store/test_budgets.py::test_a_pause_holds_for_everybody_and_the_longer_one_stays"),
    ),
    Row(
        "F24",
        "429 with a date, a past one, rubbish, ten years",
        "a date is a date, rubbish is our own wait, years are a day, for everybody",
        (
            wire("status", "complete", 2, status=429, retry_after="date:9", call=1),
            wire("status", "complete", 2, status=429, retry_after="date:-9", call=1),
            wire("status", "complete", 2, status=429, retry_after="soon", call=1),
            wire("status", "complete", 2, status=429, retry_after="-5", call=1),
        ),
        proof(
            "tests/fetch/test_retry.py::test_retry_after_is_seconds_or_a_date_or_nothing",
            "tests/faults/test_breaker.py::test_a_long_wait_that_an_upstream_asks_for_is_everybodys",
        ),
    ),
    Row(
        "F25",
        "429 without a header; another status that means it",
        "own waits; the feed's `read=` says what it means",
        (wire("status", "complete", 2, status=429, call=1),),
    ),
    Row(
        "F26",
        "the day's quota is used up",
        "nobody asks before the reset, also after a restart",
        proof=proof(
            "tests/store/test_budgets.py::test_what_was_spent_is_spent_after_reopening",
            PAGED + "test_pages_before_a_quota_are_kept_for_the_next_day",
        ),
    ),
    Row(
        "F27",
        "some 5xx, then good",
        "asked again, stored once",
        (wire("status", "complete", 2, status=503, call=1), wire("status", "complete", 2, status=500, call=1)),
    ),
    Row(
        "F28",
        "5xx for ever",
        "a bounded number of tries; after five faults in a row one at a time, after ten one a while; others go on",
        (wire("status", requests=TRIES, status=503),),
        proof(
            BREAKER + "test_after_ten_faults_in_a_row_an_upstream_rests_and_the_others_go_on",
            BREAKER + "test_broken_partitions_keep_none_from_being_asked",
            BREAKER + "test_a_probe_goes_alone_and_each_that_fails_doubles_the_rest",
            "tests/store/test_budgets.py::test_a_rest_holds_for_every_process_and_over_restarts",
        ),
    ),
    Row(
        "F29",
        "the key is refused",
        "the upstream is left alone, at once",
        (wire("status", "refused", 1, "401", status=401),),
        proof(GREEN + "test_a_mended_key_is_tried_at_once_when_a_person_asks"),
    ),
    Row(
        "F30",
        "404 for one partition",
        "its rows stay",
        (wire("status", "refused", 1, "404", status=404),),
        proof(GREEN + "test_a_listed_month_that_is_not_there_today_is_asked_for_again"),
    ),
    Row(
        "F31",
        "204, nothing, 304 that nobody asked for",
        "no data is no success",
        (wire("empty"), wire("status", "refused", 1, "204", status=204), wire("status", status=304)),
        proof(GREEN + "test_not_modified_that_nobody_asked_about_is_no_collection"),
    ),
    Row("F32", "a page of HTML with 200", "no data is no success", (wire("html"),)),
    Row(
        "F33",
        "an error with 200",
        "never no records",
        (
            wire("replace", find='"items"', text='"Note": "slow down", "other"'),
            wire("replace", "partial", find='"total"', text='"sum"'),
        ),
        proof("tests/apps/test_episodes_collecting.py::test_each_error_is_taken_for_what_it_is"),
    ),
    Row(
        "F34",
        "another thing than was asked for",
        "no answer",
        proof=proof("tests/apps/test_episodes_collecting.py::test_another_title_than_was_asked_is_no_answer"),
    ),
    Row(
        "F35",
        "a mark of byte order; other bytes than UTF-8",
        "the mark is left out; other bytes are no data",
        (wire("bom", "complete", 1),),
        proof(DECODE + "test_no_bytes_whatever_break_anything_but_their_body"),
    ),
    Row(
        "F36",
        "the same ETag, another body",
        "the body counts",
        (wire("header", "complete", 1, find="ETag", text='"same"'),),
    ),
    Row(
        "F37",
        "a date that is far off, an old answer",
        "our own clock counts",
        (
            wire("header", "complete", 1, find="Date", text="Thu, 01 Jan 1970 00:00:00 GMT"),
            wire("header", "complete", 1, find="Age", text="99999999"),
        ),
    ),
)

PAYLOAD = (
    Row(
        "F38",
        "nested deeply",
        "refused at once",
        (wire("replace", find='"items": [', text='"items": [' + "[" * 5_000),),
        proof(STRICT + "test_a_row_that_is_nested_too_deeply_is_a_reject_and_the_others_are_read"),
    ),
    Row(
        "F39",
        "NaN and infinities",
        "a reject of its own",
        proof=proof(DECODE + "test_a_number_that_is_none_spoils_its_own_row_alone"),
    ),
    Row(
        "F40",
        "a member named twice",
        "a reject of its own",
        proof=proof(STRICT + "test_a_row_with_a_member_named_twice_is_a_reject_and_the_others_are_read"),
    ),
    Row(
        "F41",
        "NUL, surrogates, bytes that are no text",
        "stored exactly, or a reject",
        proof=proof(
            DECODE + "test_whatever_a_record_holds_it_is_one_entry_or_one_reject", DECODE + "test_json_is_read_exactly"
        ),
    ),
    Row(
        "F42",
        "large and odd numbers",
        "exact, and equal where they are",
        proof=proof(
            DECODE + "test_json_is_read_exactly", "tests/unit/test_record.py::test_content_is_equal_by_typed_value"
        ),
    ),
    Row(
        "F43",
        "huge texts and lists",
        "bounded",
        (wire("gzip-bomb"),),
        proof(RECORDS + "test_too_many_records_for_a_partition_store_none"),
    ),
    Row(
        "F44",
        "days and moments that are none",
        "a reject",
        proof=proof("tests/unit/test_record.py::test_values_that_engines_keep_differently_are_refused"),
    ),
    Row(
        "F45",
        "zones and their changes",
        "one moment is one text",
        proof=proof("tests/unit/test_record.py::test_a_moment_is_one_text_in_every_zone"),
    ),
    Row(
        "F46",
        "members vanish, change, come",
        "noted; where too many fail, nothing changes",
        (wire("replace", find='"weight": ', text='"mass": '),),
        proof(
            "tests/store/test_desk.py::test_answers_that_are_held_as_drift_are_noted_with_what_changed_in_them",
            "tests/paging/test_held.py::test_an_answer_is_held_where_more_than_a_fifth_of_a_page_or_of_all_is_unreadable",
        ),
    ),
    Row(
        "F47",
        "a key that is missing or odd",
        "a reject; keys are bytes",
        proof=proof(
            DECODE + "test_different_texts_have_different_keys",
            RECORDS + "test_while_a_reject_cannot_be_named_nothing_is_gone",
        ),
    ),
    Row(
        "F48",
        "one key twice in an answer",
        "the last or, declared, the first; counted",
        proof=proof(WHOLE + "test_the_first_of_two_with_one_key_counts_and_the_other_is_a_reject"),
    ),
    Row(
        "F49",
        "one key in two partitions",
        "one record; no turns",
        proof=proof("tests/store/test_shared.py::test_two_words_for_one_record_do_not_take_turns"),
    ),
    Row(
        "F50",
        "only order, blanks or volatile members change",
        "no version",
        proof=proof("tests/unit/test_record.py::test_a_volatile_field_alone_makes_no_other_content"),
    ),
    Row("F51", "names that mean something elsewhere", "data", proof=proof(DECODE + "test_hostile_texts_are_data")),
    Row(
        "F52",
        "hostile texts",
        "data, also on the way out",
        proof=proof(
            DECODE + "test_hostile_texts_are_data", "tests/repository/test_fuzz.py::test_a_small_hunt_finds_nothing"
        ),
    ),
)

PAGING = (
    Row(
        "F53",
        "an empty page in the middle",
        "not the end",
        proof=proof(
            PAGED + "test_an_empty_page_in_the_middle_is_not_the_end_where_more_are_declared",
            PAGED + "test_an_empty_page_in_the_middle_of_a_cursors_way_is_gone_over",
        ),
    ),
    Row(
        "F54",
        "pages in a circle",
        "partial, soon",
        proof=proof(PAGED + "test_what_cannot_be_proved_is_partial_and_changes_nothing"),
    ),
    Row(
        "F55",
        "pages without end",
        "bounded",
        proof=proof(
            PAGED + "test_pages_without_rows_that_lead_on_and_on_are_left",
            PAGED + "test_a_partition_of_more_bytes_than_allowed_is_left_and_changes_nothing",
        ),
    ),
    Row(
        "F56",
        "rows move between pages",
        "noticed, walked again, nothing retired",
        proof=proof(
            SHIFTING + "test_a_row_that_comes_or_goes_between_two_pages_is_noticed_and_the_pages_walked_again",
            SHIFTING + "test_a_list_that_never_stands_still_is_partial_and_nothing_is_retired",
        ),
    ),
    Row(
        "F57",
        "a total that lies",
        "no proof of the end",
        proof=proof(SHIFTING + "test_one_row_that_comes_or_goes_is_seen_by_the_total"),
    ),
    Row(
        "F58",
        "a cursor expires",
        "from the beginning, in the same run",
        proof=proof(PAGED + "test_an_expired_cursor_begins_anew_in_the_same_run"),
    ),
    Row(
        "F59",
        "smaller pages than asked for",
        "on by what came",
        proof=proof(PAGED + "test_offsets_go_on_by_what_came_not_by_what_was_asked_for"),
    ),
    Row(
        "F60",
        "a record is removed, and comes back",
        "retired, then a version more",
        proof=proof(RECORDS + "test_versions_are_numbered_without_gaps_through_new_changed_gone_and_back"),
    ),
    Row(
        "F61",
        "most records vanish",
        "believed when it is said twice",
        proof=proof(WHOLE + "test_many_records_do_not_vanish_on_one_word_whatever_is_declared"),
    ),
    Row(
        "F62",
        "the list of partitions fails or shrinks",
        "the last one counts; rows stay",
        (Wire({"fault": "status", "status": 500, "path": "/ships"}, "complete"),),
        proof(
            GREEN + "test_months_without_their_list_are_no_complete_nothing",
            LEDGER + "test_a_collected_partition_that_is_no_longer_listed_keeps_its_verdict",
        ),
    ),
)

MACHINE_ROWS = (
    Row(
        "F63",
        "killed at each fail point",
        "the same end, nothing asked twice but what was under way",
        proof=proof(
            SWEEP + "test_killed_at_a_point_it_asks_again_only_what_was_under_way",
            SWEEP + "test_an_error_at_a_point_stays_in_its_partition",
        ),
    ),
    Row(
        "F64",
        "killed at any moment",
        "the same",
        proof=proof(SWEEP + "test_killed_at_any_moment_it_asks_again_only_what_was_under_way"),
    ),
    Row(
        "F65",
        "killed while it resumes",
        "the same",
        proof=proof(SWEEP + "test_killed_again_and_again_while_it_resumes"),
    ),
    Row(
        "F66",
        "asked to end",
        "ends what is under way; no lease stays",
        proof=proof(
            KILL + "test_asked_to_end_it_finishes_what_is_under_way",
            KILL + "test_asked_to_end_while_the_upstream_hangs_it_ends_all_the_same",
        ),
    ),
    Row("F67", "asked twice", "ends at once", proof=proof(KILL + "test_asked_twice_it_ends_at_once")),
    Row(
        "F68",
        "stopped for longer than its lease",
        "its write is refused",
        proof=proof(RECORDS + "test_a_write_with_a_stale_token_is_refused_and_nothing_of_it_is_written"),
    ),
    Row(
        "F69",
        "two collectors at once",
        "one has it",
        proof=proof(
            LEDGER + "test_only_one_of_two_collectors_gets_a_lease", MACHINE + "test_two_collectors_ask_everything_once"
        ),
    ),
    Row(
        "F70",
        "the disk is full",
        "nothing half; goes on when there is room",
        proof=proof(
            OPENING + "test_a_full_disk_is_unavailable_and_writes_nothing",
            MACHINE + "test_a_failing_disk_is_survived",
            "tests/engines/test_server.py::test_an_error_is_told_by_its_code_and_class",
        ),
    ),
    Row(
        "F71",
        "the disk fails",
        "nothing half; goes on",
        proof=proof(MACHINE + "test_a_failing_disk_is_survived"),
        left="an fsync that fails below SQLite is not simulated",
    ),
    Row(
        "F72",
        "the database is locked",
        "waited for, then told",
        proof=proof(
            OPENING + "test_a_database_that_is_locked_is_unavailable",
            MACHINE + "test_a_locked_database_is_survived",
            MACHINE + "test_an_answer_waits_six_times_for_a_database_that_is_locked",
        ),
    ),
    Row(
        "F73",
        "the database restarts, or ends a session in the middle of a commit",
        "what was told as not done is not done; goes on when it is back, and doubles nothing",
        proof=proof(
            AWAY + "test_who_collects_goes_on_when_it_is_back",
            "tests/faults/test_processes.py::test_two_collectors_and_two_servers_share_one_database_that_falls",
            "tests/faults/test_processes.py::test_what_collects_and_serves_at_once_goes_on_after_its_database_fell",
            "tests/store/test_slots.py::test_a_place_that_could_not_be_given_back_keeps_nobody_waiting_for_ever",
            AWAY + "test_who_serves_says_503_while_it_is_away_and_heals_by_itself",
            AWAY + "test_a_session_that_ends_in_the_middle_of_a_commit_leaves_nothing_of_it",
        ),
    ),
    Row(
        "F74",
        "deadlocks and serialization failures",
        "writers take turns, so that none is our own doing; what the server undoes is done again, five times at most",
        proof=proof(
            "tests/engines/test_server.py::test_writers_take_turns",
            AWAY + "test_many_collectors_at_once_share_one_database",
            AWAY + "test_what_the_server_undoes_for_the_sake_of_another_is_done_again_and_counted",
            AWAY + "test_what_the_server_undoes_each_time_is_given_up_after_five_tries_and_whole_later",
        ),
    ),
    Row(
        "F75",
        "little memory",
        "pages are not in memory together",
        proof=proof(
            "tests/paging/test_page.py::test_pages_are_not_in_memory_together",
            "tests/store/test_fill.py::test_many_records_are_filled_in_little_memory",
        ),
    ),
    Row(
        "F76",
        "clocks jump; nights of an hour more or less",
        "each slot once",
        proof=proof(
            PLAN + "test_a_slot_a_day_comes_once_a_day_whatever_the_clocks_do",
            "tests/unit/test_budget.py::test_a_clock_that_is_set_back_does_not_shut_the_upstream",
        ),
    ),
    Row(
        "F77",
        "slept past many slots",
        "one run",
        proof=proof(MACHINE + "test_slots_that_were_slept_through_are_one_run"),
    ),
    Row(
        "F78",
        "no more open files",
        "the run ends in a line; the next one does it",
        proof=proof(MACHINE + "test_too_few_open_files_are_survived"),
    ),
    Row(
        "F79",
        "a partition that kills its worker each time",
        "parked; the others go on",
        proof=proof(MACHINE + "test_a_partition_that_kills_its_worker_is_parked"),
    ),
    Row(
        "F80",
        "another declaration between crash and resume",
        "from the beginning",
        proof=proof(PAGED + "test_a_changed_declaration_begins_anew"),
    ),
)

ROWS = TRANSPORT + HTTP + PAYLOAD + PAGING + MACHINE_ROWS
