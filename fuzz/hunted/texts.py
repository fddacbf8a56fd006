"""Texts that people write and nothing changes: what is stored is what was sent. Served by name: `hunted.texts:app`."""

from catchment import App, Record, Resource


class Text(Record):
    """A text, and one that may be missing."""

    id: str
    user_id: str
    text: str
    note: str | None = None


texts = Resource("texts", Text, owner="user_id", max_body=2**20, public=True)
app = App("texts", resources=[texts])
