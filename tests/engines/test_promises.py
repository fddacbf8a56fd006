"""What a third engine's author would run, on the engines that there are."""

import pytest

from catchment.errors import StoreError
from catchment.testing.promises import PROMISES
from catchment.testing.promises.engine import (
    a_transaction_is_whole_or_not_at_all,
    text_is_ordered_by_its_code_points,
)


@pytest.mark.both
@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_an_engine_keeps(promise, new_database):
    promise(new_database)


@pytest.mark.parametrize("promise", [a_transaction_is_whole_or_not_at_all, text_is_ordered_by_its_code_points])
def test_a_broken_promise_is_told(promise, new_database):
    """Of an engine whose new databases are not new: what one promise left is in the next one's way."""
    url = new_database()
    promise(lambda: url)
    with pytest.raises((AssertionError, StoreError)):
        promise(lambda: url)
