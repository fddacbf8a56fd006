"""Every recorded file is one that an app is known to read."""

import pytest
from recorded import RECORDED

pytestmark = pytest.mark.storeless


def test_every_recorded_file_goes_through_an_app(samples):
    """A file that nobody knows, and one that is gone, is named."""
    files = {str(path.relative_to(samples)) for path in samples.rglob("*") if path.is_file()}
    known = {f"{folder}/{name}" for folder, names in RECORDED.items() for name in names}
    assert sorted(files - known) == []
    assert sorted(known - files) == []
