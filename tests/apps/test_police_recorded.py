"""Every recorded month, served as the API would: what is stored is what the file has, row for row."""

import ast
import csv
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from collecting import Collecting, by_partition, collecting
from recorded import ERROR, of

NOW = datetime(2023, 3, 20, 4, 0, tzinfo=UTC)
STOPS = "police/stops"


def months() -> dict[tuple[str, str], int]:
    """(force, month) -> the rows that its file has."""
    names = {Path(name).stem: rows for name, rows in of("police", "stops").items()}
    stems = {name.removeprefix("stops_").removesuffix("-stop-and-search"): rows for name, rows in names.items()}
    return {(stem[8:], stem[:7]): rows for stem, rows in stems.items()}


def test_every_recorded_month_is_stored_row_for_row(samples, tmp_path):
    """Acceptance 16."""
    files = months()
    assert len(files) == 27
    forces = sorted({force for force, _ in files})
    with collecting("police", tmp_path, now=NOW, samples=samples, FORCES=",".join(forces)) as police:
        for month in sorted({month for _, month in files}):
            here = [force for force, other in files if other == month]
            summary = police.run(only={"force": here, "month": [month]})
            assert summary.complete
            assert len(by_partition(summary, STOPS)) == len(here)
        stored = police.sql("SELECT force, month, count(*) FROM police_stops GROUP BY force, month")
        assert {(force, month): number for force, month, number in stored} == files
        assert police.sql("SELECT * FROM _reject") == []
        assert police.number("SELECT count(*) FROM police_stops_version") == 0
        assert police.number("SELECT count(*) FROM police_forces") == of("police", "forces")["reference/forces.json"]
        # Both forms of the list; what is newer has only a file.
        listed = set(police.sql("SELECT month, force FROM police_availability WHERE month < '2020'"))
        for name, rows in of("police", "availability").items():
            assert listed == listed_in(samples / "police" / name)
            assert len(listed) == rows


def listed_in(path: Path) -> set[tuple[str, str]]:
    """The (month, force) of a recorded list. A cell of its CSV form is a list as Python writes it."""
    if path.suffix == ".json":
        rows = json.loads(path.read_bytes())
        return {(row["date"], force) for row in rows for force in row["stop-and-search"]}
    with path.open(newline="", encoding="utf-8") as lines:
        rows = [(row["date"], ast.literal_eval(row["stop-and-search"])) for row in csv.DictReader(lines)]
    return {(month, force) for month, forces in rows for force in forces}


@pytest.fixture
def sussex(samples, tmp_path):
    """The month with the most equal records, collected once."""
    with collecting("police", tmp_path, now=NOW, samples=samples, FORCES="sussex") as police:
        assert police.run(only=MAY).complete
        yield police


MAY = {"force": ["sussex"], "month": ["2019-05"]}


def groups(police: Collecting) -> Counter[int]:
    """Size of a group of equal records -> how many such groups there are."""
    sizes = police.sql("SELECT count(*) FROM police_stops GROUP BY _hash")
    return Counter(size for (size,) in sizes)


def test_equal_records_are_all_kept(sussex):
    assert sussex.number("SELECT count(*) FROM police_stops") == 921
    assert sussex.number("SELECT count(DISTINCT _hash) FROM police_stops") == 634
    assert max(groups(sussex)) == 60
    # A key is content and number: the sixty differ in nothing else.
    keys = sussex.sql(
        "SELECT _key FROM police_stops WHERE _hash ="
        " (SELECT _hash FROM police_stops GROUP BY _hash HAVING count(*) = 60)"
    )
    assert {int(key.rpartition("-")[2]) for (key,) in keys} == set(range(1, 61))


@pytest.mark.parametrize("order", ["2023", "sorted", "reversed"])
def test_a_second_reading_changes_nothing(sussex, order):
    """Acceptance 8."""
    before = sussex.sql("SELECT * FROM police_stops ORDER BY _key")
    sussex.control.set(key_order=order)
    result = by_partition(sussex.run(only=MAY), STOPS)["force=sussex,month=2019-05"]
    assert result.verdict == ("unchanged" if order == "2023" else "complete")
    assert (result.counts.new, result.counts.changed, result.counts.gone) == (0, 0, 0)
    assert sussex.revision("stops") == 1
    assert sussex.sql("SELECT * FROM police_stops ORDER BY _key") == before


def test_of_sixty_equal_records_one_that_goes_is_one_that_ends(sussex):
    """Acceptance 8."""
    sussex.control.set(removed_since=2)
    counts = by_partition(sussex.run(only=MAY), STOPS)["force=sussex,month=2019-05"].counts
    assert (counts.new, counts.changed, counts.same, counts.gone) == (0, 0, 920, 1)
    assert max(groups(sussex)) == 59
    assert sussex.number("SELECT count(*) FROM police_stops") == 920
    ((key, gone, until),) = sussex.sql("SELECT _key, _gone, _until_revision FROM police_stops_version")
    assert (key.rpartition("-")[2], gone, until) == ("60", 1, 2)
    # And back again: the same record, once more.
    sussex.control.set(removed_since=0)
    counts = by_partition(sussex.run(only=MAY), STOPS)["force=sussex,month=2019-05"].counts
    assert (counts.new, counts.back, counts.same, counts.gone) == (0, 1, 920, 0)
    assert max(groups(sussex)) == 60


def test_a_corrected_record_is_one_gone_and_one_new(sussex):
    sussex.control.set(changed_since=2)
    counts = by_partition(sussex.run(only=MAY), STOPS)["force=sussex,month=2019-05"].counts
    assert (counts.new, counts.gone, counts.same) == (1, 1, 920)


def test_a_lone_object_is_no_month(samples, tmp_path):
    """Acceptance 16."""
    with collecting("police", tmp_path, now=NOW, samples=samples, FORCES="sussex") as police:
        police.control.set(single_object=True)
        result = by_partition(police.run(only=MAY), STOPS)["force=sussex,month=2019-05"]
        assert result.verdict == "failed"
        assert police.sql("SELECT count(*) FROM police_stops") == [tuple(of("police", ERROR).values())]


def test_a_record_of_the_local_month_keeps_the_month_that_was_asked_for(samples, tmp_path):
    """Acceptance 11."""
    june = {"force": ["cambridgeshire"], "month": ["2019-06"]}
    with collecting("police", tmp_path, now=NOW, samples=samples, FORCES="cambridgeshire") as police:
        assert police.run(only=june).complete
        early = police.sql("SELECT month, datetime FROM police_stops WHERE datetime < '2019-06-01'")
        assert len(early) == 2
        assert {month for month, _ in early} == {"2019-06"}
        assert all(at.startswith("2019-05-31T23:") for _, at in early)
