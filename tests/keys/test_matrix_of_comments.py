"""The matrix of rights: every route of the served description, every method, every kind of caller; each cell asserted.

The routes come from the description, what is expected from the tables in `matrix_policy`: a route without a row
fails, and a row without a route.
Here for incidents and episodes, and for the pages that the description has not; `test_matrix` has the rest.
"""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "resources"))

from matrix_policy import COMMENTED, PAGES
from matrix_records import COMMENTED as APPS
from matrix_world import check_every_cell, check_refused_types, every_page, served

from catchment import explorer

PUBLIC, PRIVATE = {"episodes/series": "tt0944947"}, {"incidents/identities": "10.0.0.1"}


@pytest.fixture
def world(tmp_path):
    with served(tmp_path, APPS, COMMENTED) as here:
        yield here


def test_every_cell_is_as_the_policy_says(world):
    check_every_cell(world)


def test_who_takes_no_json_writes_nothing(world):
    """Of every writing route, whoever asks: with `Accept: text/xml`. The matrix asks with JSON, and with nothing."""
    assert check_refused_types(world) > 7


def test_every_page_is_as_the_policy_says(world):
    """What people look at is read with the rights of the API, and what is for operators by them alone."""
    made = {route.path for router in explorer.handlers() for route in router.routes}
    assert set(PAGES) == made | {"/openapi.json"}
    wrong = asyncio.run(every_page(world, PAGES, PUBLIC | PRIVATE))
    assert not wrong, "\n".join(wrong)
