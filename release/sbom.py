"""What an installed catchment is made of, as CycloneDX 1.6 in JSON: every run-time dependency of the lock.

`./run build` writes it beside the wheel. It is made from the lock and from what the packages say that they need on this
kind of machine, asks nobody, and is the same for the same lock. A package that only an extra needs is `optional`; tools
of development are in no installed catchment, and so not in it.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT = "catchment"
LICENSE = "Apache-2.0"


@dataclass(frozen=True)
class Locked:
    """One entry of the lock: a version, for the machines that its marker names. hashes: SHA-256, hexadecimal."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(text: str) -> list[Locked]:
    """The entries of a lock, in its order. One package may have two: its marker says which machine has which."""
    found = []
    for entry in text.replace("\\\n", " ").splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", entry):
            hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
            found.append(Locked(canonicalize_name(match[1]), match[2], hashes))
    return found


def needs(name: str, extras: Iterable[str] = ()) -> set[tuple[str, frozenset[str]]]:
    """(package, its extras) that a package needs wherever it is installed; empty where it is not installed here."""
    try:
        said = distribution(name).requires or []
    except PackageNotFoundError:  # of another kind of machine
        return set()
    wanted = [{"extra": extra} for extra in ("", *extras)]
    requirements = map(Requirement, said)
    return {
        (canonicalize_name(one.name), frozenset(one.extras))
        for one in requirements
        if one.marker is None or any(one.marker.evaluate(where) for where in wanted)
    }


def graph(extras: Iterable[str] = ()) -> dict[str, set[str]]:
    """Package -> what it needs, from the product on."""
    found: dict[str, set[str]] = {}
    open_ = [(PRODUCT, frozenset(extras))]
    seen = set()
    while open_:
        name, given = open_.pop()
        if (name, given) not in seen:
            seen.add((name, given))
            below = needs(name, given)
            found.setdefault(name, set()).update(package for package, _ in below)
            open_ += below
    return found


def component(item: Locked, *, optional: bool) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": item.purl,
        "name": item.name,
        "version": item.version,
        "purl": item.purl,
        "scope": "optional" if optional else "required",
        # The lock has the hash of each of a version's files, and an installation is of one of them.
        "properties": [{"name": "catchment:sha256", "value": digest} for digest in item.hashes],
    }


def bill(lock: str, extras: Iterable[str]) -> dict[str, Any]:
    """The document. lock: the text of requirements.lock; extras: of the product, all of them."""
    product = distribution(PRODUCT)
    version, always, ever = product.version, graph(), graph(extras)
    items = [item for item in read_lock(lock) if item.name in ever]
    refs: dict[str, list[str]] = {}
    for item in items:
        refs.setdefault(item.name, []).append(item.purl)
    root = f"pkg:pypi/{PRODUCT}@{version}"
    refs[PRODUCT] = [root]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, root + lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": PRODUCT,
                "version": version,
                "purl": root,
                "licenses": [{"license": {"id": LICENSE}}],
            }
        },
        "components": [component(item, optional=item.name not in always) for item in items],
        "dependencies": [_depends(ref, name, ever, refs) for name, own in sorted(refs.items()) for ref in own],
    }


def _depends(ref: str, name: str, ever: Mapping[str, set[str]], refs: Mapping[str, list[str]]) -> dict[str, Any]:
    below = sorted(purl for package in ever.get(name, ()) for purl in refs.get(package, ()))
    return {"ref": ref, "dependsOn": below}


def main(path: str) -> None:
    extras = distribution(PRODUCT).metadata.get_all("Provides-Extra") or []
    json.dump(bill(Path(path).read_text(), extras), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
