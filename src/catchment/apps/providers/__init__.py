"""Service providers: people list what they offer, others search, review and ask for a recommendation.

Nothing is collected: everything here is written by people, through the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from catchment import REPLACE, App, Link, Resource, Rollup, Setting, Spelling, WriteLimit

from .ranking import PRIOR_MEAN, PRIOR_WEIGHT
from .rules import (
    Provider,
    Review,
    check_provider,
    check_review,
    folded,
    normal_provider,
    normal_review,
    refuse_review,
)

__all__ = ["app", "providers", "reviews"]


def routes() -> Sequence[Any]:
    from .routes import handlers

    return handlers()


def people(crowd: Any) -> Iterator[str]:
    """Has made-up people write to the API as the `Crowd` says; lines that say what they wrote."""
    from .crowd import write

    return write(crowd)


# As its first writer spells it everybody's skill is shown, whatever its case and spaces.
skill = Spelling("skill", folded)
writes = WriteLimit(Setting("PROVIDERS_LIMIT_WRITES", "60/minute"))
opinions = WriteLimit(Setting("PROVIDERS_LIMIT_REVIEWS", "20/hour"), ("create", "change"))

providers = Resource(
    "providers",
    Provider,
    owner="user_id",
    read_only=("name_key", "skill_keys", "free_days"),
    normal=normal_provider,
    check=check_provider,
    conceal=True,
    limits=[writes],
    spellings={"skills": skill},
    lists=("skills", "skill_keys", "free_days"),
    sort=("name_key",),
    indexes=[("-cost_in_pence",)],
    search=("name",),
    public=True,
    example={
        "name": "SEO Incorporated",
        "skills": ["SEO Optimisation", "Digital Marketing", "Cold Calling"],
        "cost_in_pence": 25000,
        "availability": [{"from_date": "2022-11-12", "to_date": "2022-12-28"}],
    },
)

# A comment is read by nobody else until it is published: the app's own routes show it then, the generic ones do not,
# where an older version of a review would show a comment that was taken back since.
reviews = Resource(
    "reviews",
    Review,
    about=Link(providers, "provider"),
    owner="user_id",
    one_per_owner=("provider", "skill_key"),
    again=REPLACE,
    outlives=True,
    read_only=("comment_state", "skill_key", "hundredths", "rated_day"),
    normal=normal_review,
    check=check_review,
    refuse=refuse_review,
    moderates=("delete",),
    limits=[writes, opinions],
    spellings={"skill": skill},
    rollups=(
        # Each order of a list is one that rows can be walked in: by price, or by what scores are made of.
        Rollup(
            of="hundredths",
            by=("provider",),
            carries=("cost_in_pence",),
            orders=(
                ("-cost_in_pence", "-_mean", "provider"),
                ("_count", "-_whole", "cost_in_pence", "provider"),
                ("_mean", "provider"),
            ),
        ),
        Rollup(
            of="hundredths",
            by=("provider", "skill_key"),
            carries=("cost_in_pence",),
            orders=(("skill_key", "_count", "-_whole", "cost_in_pence", "provider"),),
        ),
        Rollup(of="hundredths", standing=True),
    ),
    hidden=("comment", "comment_state"),
    indexes=[("provider", "updated_at")],
    public=True,
    example={"provider": "6f1c1ab1-90d1-4b2c-a4f1-0d2f6c1c9a55", "rating": 4.5, "comment": "Came on time."},
)

app = App(
    "providers",
    resources=[providers, reviews],
    routes=routes,
    settings=[PRIOR_MEAN, PRIOR_WEIGHT],
    people=people,
    example="/v1_1/service-providers?page_size=2",
)
