"""The matrix of rights: every route of the served description, every method, every kind of caller; each cell asserted.

The routes come from the description, what is expected from the tables in `matrix_policy`: a route without a row
fails, and a row without a route.
Here for stocks, police, providers and the market; `test_matrix_of_comments` has the rest.
"""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "resources"))

from matrix_policy import COMMENTED, REVIEWED
from matrix_records import COMMENTED as OTHERS
from matrix_records import REVIEWED as APPS
from matrix_world import cells_of, check_every_cell, check_refused_types, served

from catchment.app import SHIPPED

GUIDE = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def world(tmp_path):
    with served(tmp_path, APPS, REVIEWED) as here:
        yield here


def test_every_cell_is_as_the_policy_says(world):
    check_every_cell(world)


def test_who_takes_no_json_writes_nothing(world):
    """Of every writing route, whoever asks: with `Accept: text/xml`. The matrix asks with JSON, and with nothing."""
    assert check_refused_types(world) > 30


@pytest.mark.storeless
def test_every_app_that_ships_is_in_the_matrix():
    assert set(SHIPPED) <= {app.name for app in (*APPS, *OTHERS)}


@pytest.mark.storeless
def test_the_guide_says_how_many_cells_there_are():
    assert f"{len(cells_of(REVIEWED)) + len(cells_of(COMMENTED)):,} cells" in GUIDE.read_text()
