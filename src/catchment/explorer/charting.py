"""The page around a chart: which charts there are, and what each may be made of. Pure but for what is declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..serve.data import Data
from ..store.tables import Collection
from .choices import STEPS, WORDS, Choice, measures, offered, read
from .filters import Chip, Pairs, chips, is_filter, without
from .home import about
from .links import Tabs, charts_of, piece_of

__all__ = ["Charting", "charting"]


@dataclass(frozen=True, slots=True)
class Charting:
    """The page. kinds: words, address, whether it is this one. fields, steps, splits, measures: what may be chosen.

    kept: the parameters that a form hands on. piece: where the chart itself is. whole: this page with the chart in it.
    """

    collection: Collection
    about: str
    choice: Choice
    kinds: Sequence[tuple[str, str, bool]]
    fields: Sequence[str]
    steps: Sequence[str]
    splits: Sequence[str]
    measures: Sequence[str]
    chips: Sequence[Chip]
    clear: str
    as_of: str
    without_as_of: str
    kept: Pairs
    tabs: Tabs
    piece: str
    whole: str


def charting(data: Data, collection: Collection, pairs: Pairs) -> Charting:
    """The page that these parameters ask for. QueryError for a chart that these fields do not make."""
    columns = data.columns(collection)
    choice, possible = read(pairs, columns), offered(columns)
    lead, where = partial(charts_of, collection.name), list(choice.where)
    own = [pair for pair in choice.pairs if pair not in where]
    kinds = {column.name: column.kind for column in columns}
    steps = [step for step in STEPS if step != "hour" or kinds[choice.on] == "datetime"]
    return Charting(
        collection,
        about(collection),
        choice,
        [(WORDS[draw], lead([*where, ("_draw", draw)]), draw == choice.draw) for draw in possible],
        possible[choice.draw] if choice.draw != "map" else [],
        steps if choice.draw == "time" else [],
        [name for name in possible.get("bars", ()) if name != choice.on] if choice.draw == "time" else [],
        measures(columns) if choice.draw in ("time", "bars") else [],
        chips(where, lambda left: lead([*left, *own])),
        lead([*(pair for pair in where if not is_filter(pair[0])), *own]),
        dict(where).get("as_of", ""),
        lead([*without(where, ("as_of",)), *own]),
        [*where, ("_draw", choice.draw)],
        Tabs(collection.name, where),
        piece_of("charts", lead(choice.pairs)),
        lead([*choice.pairs, ("_whole", "yes")]),
    )
