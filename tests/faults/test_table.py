"""The table of faults: each row is run, or names the tests that run it, or says why it is left."""

from __future__ import annotations

import ast
from collections import Counter
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from table import ROWS

ROOT = Path(__file__).parents[2]
WIRES = [
    pytest.param(fault, id=f"{row.number} {number} {fault.rule['fault']}")
    for row in ROWS
    for number, fault in enumerate(row.wires, 1)
]
SPOILED = "/ships/2/boxes"


def test_the_rows_are_those_from_f01_to_f80():
    assert [row.number for row in ROWS] == [f"F{number:02}" for number in range(1, 81)]


def test_what_is_not_tried_says_why():
    """Tried: all 80, two of them on PostgreSQL alone."""
    tried = [row for row in ROWS if row.wires or row.proof.tests]
    assert len(tried) == 80
    assert all(row.left for row in ROWS if row not in tried)


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", [row for row in ROWS if row.proof.tests], ids=lambda row: row.number)
def test_a_proof_is_there(row):
    missing = [test for test in row.proof.tests if test.partition("::")[2] not in functions(test.partition("::")[0])]
    assert missing == []


@pytest.mark.parametrize("fault", WIRES)
def test_a_fault_on_the_wire_stays_in_its_partition_and_passes(berth, first_tide, undisturbed, fault):
    """While it lasts, the rows of its partition are as they were; when it is over, all is as if it had not been."""
    before = berth.after(first_tide).boxes(2)
    rule = {"path": SPOILED, **fault.rule}
    berth.control.faults(rule)
    found = berth.here()
    log = berth.control.log()
    assert any(entry["fault"] == rule["fault"] for entry in log), "the fault did not fire"
    if rule["path"] == SPOILED:
        assert found["ship=2"].verdict == fault.verdict, found["ship=2"].reason
        assert fault.reason in found["ship=2"].reason
    first = [entry for entry in log if entry["target"] == f"{SPOILED}?page=1"]
    assert not fault.requests or len(first) == fault.requests
    assert berth.wrong() == []
    if "401" not in fault.reason:
        assert Counter(found[f"ship={ship}"].verdict for ship in (1, 3)) == {"complete": 2}
    if fault.verdict != "complete":
        assert berth.boxes(2) == before
    berth.control.faults()
    berth.later(timedelta(hours=8))
    berth.here(retry=False)
    if berth.boxes(2) == before:  # a refusal is not asked again by itself for long
        berth.here(again=True, only=["2"])
    assert berth.state() == undisturbed[0]
    assert berth.wrong() == []
