"""An app: feeds, resources and the routes of its own, in explicit lists."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import CatchmentError, DeclarationError, UsageError, choices
from .feed import Feed
from .partitions import Partition
from .resource import Resource
from .settings import Setting

__all__ = ["App", "RawFiles", "in_order", "load_app"]

SHIPPED = ("police", "stocks", "incidents", "episodes", "providers")
"""The apps that come with catchment, by the names under which a command takes them."""


@dataclass(frozen=True)
class RawFiles:
    """The names under which an app's raw bodies, all of them JSON, are written into a folder.

    name: (feed's name, partition) -> the file's name, "" for what is not written. whole: the file that holds them all
    in one object, by their names.
    """

    name: Callable[[str, Partition], str]
    whole: str


@dataclass(frozen=True)
class App:
    """What one name on the command line collects and serves.

    resources: what people write, beside what is collected.
    routes: the web framework's handlers, or a function that gives them (so that the framework is imported only by
    a server). standin: a function from the stand-in's options to the service that stands in for the upstream.
    raw: the names under which the raw bodies are exported.
    people: has made-up people write through the API, as a `Crowd` says, and gives lines that say what they wrote.
    settings: what its own routes read, beside what feeds and resources refer to.
    demo: from the stand-in's size to the settings with which it is asked, e.g. a key that it takes.
    example: a GET, as path and query, whose answer shows what the app is for; of the demo's data too.
    home: the path that `/` means to whoever asks for data, where this app is served alone.
    after: called with the `Data` of this moment after each run that changed something, in the collecting process: it
    can read and nothing else, and what it raises makes the run incomplete and stops nobody.
    target: under which a command found it; "" for its name.
    only: the collections that are served, and the own routes that need no others; `()` for all.
    views: name -> the `SELECT` over the app's tables that it stands for in the database, for whoever reads that.
    """

    name: str
    feeds: Sequence[Feed] = ()
    resources: Sequence[Resource] = field(default=(), kw_only=True)
    routes: Sequence[Any] | Callable[[], Sequence[Any]] = ()
    home: str = field(default="", kw_only=True)
    after: Callable[[Any], None] | None = field(default=None, repr=False, kw_only=True)
    settings: Sequence[Setting] = field(default=(), kw_only=True)
    standin: Callable[[Any], Any] | None = field(default=None, repr=False)
    raw: RawFiles | None = field(default=None, kw_only=True, repr=False)
    people: Callable[[Any], Iterator[str]] | None = field(default=None, repr=False)
    demo: Callable[[str], Mapping[str, str]] = field(default=lambda _: {}, repr=False)
    example: str = field(default="", kw_only=True)
    target: str = field(default="", kw_only=True, compare=False)
    only: tuple[str, ...] = field(default=(), kw_only=True, compare=False)
    views: Mapping[str, str] = field(default_factory=dict, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        where = f"app {self.name}"
        if not re.fullmatch(r"[a-z][a-z0-9]{0,20}", self.name):
            raise DeclarationError(where, "the name is lower case letters and digits")
        if self.home and not self.home.startswith("/"):
            raise DeclarationError(f"{where}: home", f"{self.home} is no path", hint='e.g. home="/incidents"')
        if self.example and not self.example.startswith("/"):
            raise DeclarationError(f"{where}: example", f"{self.example} is no path", hint='e.g. example="/incidents"')
        for name in self.views:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name.startswith(f"{self.name}_"):
                raise DeclarationError(f"{where}: views", f"{name} is no name of a view, or one of our tables")
        names = [feed.name for feed in self.feeds]
        if doubled := [name for name in names if names.count(name) > 1]:
            raise DeclarationError(where, f"has two feeds called {doubled[0]}")
        upstreams = {feed.upstream.name: feed.upstream for feed in self.feeds}
        for item in self.feeds:
            if upstreams[item.upstream.name] is not item.upstream and upstreams[item.upstream.name] != item.upstream:
                raise DeclarationError(f"{where}: feed {item.name}", f"another upstream is called {item.upstream.name}")
        in_order(self.feeds, where)
        self._check_resources(where, names)

    def _check_resources(self, where: str, names: list[str]) -> None:
        targets: list[Feed | Resource] = [*self.feeds, *self.resources]
        for number, item in enumerate(self.resources):
            if item.name in names or item.name in [other.name for other in self.resources[:number]]:
                raise DeclarationError(where, f"has two collections called {item.name}")
            for link in item.links:
                if not any(link.target is target for target in targets):
                    message = f"is about {link.target.name}, which is not in the app"
                    raise DeclarationError(f"{where}: resource {item.name}", message)

    def collection(self, feed: Feed | Resource) -> str:
        """The collection's full name: `stocks/bars`."""
        return f"{self.name}/{feed.name}"

    def command(self, verb: str, feed: Feed | Resource) -> str:
        """What to type for one of its collections: `catchment replay stocks/bars`, or `… feeds:app/bars`."""
        return f"catchment {verb} {self.target or self.name}/{feed.name}"

    def serving(self, names: Sequence[str]) -> App:
        """The same, of which only these collections are served. UsageError: one is not in it."""
        known = [feed.name for feed in self.feeds] + [resource.name for resource in self.resources]
        if missing := [name for name in names if name not in known]:
            raise UsageError(
                f"--only {missing[0]}: {self.name} has no such collection", hint=f"there are {', '.join(known)}"
            )
        return replace(self, only=tuple(names))

    def handlers(self) -> Sequence[Any]:
        """The app's own handlers, made once: to describe them takes longer than to route them."""
        return self._handlers

    @cached_property
    def _handlers(self) -> Sequence[Any]:
        return self.routes() if callable(self.routes) else self.routes


def in_order(feeds: Sequence[Feed], where: str = "app") -> list[Feed]:
    """The feeds, each after those whose rows its partitions come from or its records are filled from.

    Raises:
        DeclarationError: a feed that is not in the list, or a circle.
    """
    known = {feed.name: feed for feed in feeds}
    done: dict[str, Feed] = {}

    def visit(feed: Feed, path: tuple[str, ...]) -> None:
        if feed.name in path:
            raise DeclarationError(f"{where}: feed {feed.name}", f"depends on itself: {' > '.join((*path, feed.name))}")
        for name in feed.needs:
            if name not in known:
                raise DeclarationError(
                    f"{where}: feed {feed.name}", f"needs the rows of {name}, which is not in the app"
                )
            visit(known[name], (*path, feed.name))
        done.setdefault(feed.name, feed)

    for item in feeds:
        visit(item, ())
    return list(done.values())


def load_app(target: str) -> App:
    """The app that a command names: one that ships, or `FILE:app`, FILE being a module or a path from here.

    Raises:
        UsageError: nothing of that name, or it is no app.
    """
    if ":" not in target:
        if target not in SHIPPED:
            raise UsageError(
                f"no app is called {target}", hint=f"{choices(target, SHIPPED)}; your own file is named FILE:app"
            )
        return _attribute(importlib.import_module(f"catchment.apps.{target}"), "app", target)
    module, _, attribute = target.partition(":")
    return replace(_attribute(_module(module.removesuffix(".py"), target), attribute, target), target=target)


def _module(file: str, target: str) -> Any:
    folder, name = Path(file).parent.resolve(), Path(file).name
    if str(folder) not in sys.path:
        sys.path.append(
            str(folder)
        )  # for what the file imports beside it; a file there is never taken for Python's own
    if (found := _found(folder, name)) is None:
        raise UsageError(f"{target}: there is no {name}.py here", hint=f"looked in {folder}")
    try:
        return _loaded(found)
    except CatchmentError:
        raise
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{target}: {said}", hint=_line_of(error, found.origin or "")) from error


def _found(folder: Path, name: str) -> ModuleSpec | None:
    """The file or package of that name in the folder, else the module of that name which is installed."""
    for path in (folder / f"{name}.py", folder / name / "__init__.py") if name else ():
        if path.is_file():
            return importlib.util.spec_from_file_location(_private(name, path), path)
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _private(name: str, path: Path) -> str:
    """The name of a person's file among the modules: its own may be one that is loaded already (`json`)."""
    private = f"_own_{name}"
    while private in sys.modules and sys.modules[private].__file__ != str(path):
        private += "_"
    return private


def _loaded(found: ModuleSpec) -> ModuleType:
    """The module, loaded once."""
    if found.name in sys.modules or not found.name.startswith("_own_"):
        return importlib.import_module(found.name)
    assert found.loader is not None
    sys.modules[found.name] = module = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[found.name]
        raise
    return module


def _line_of(error: Exception, file: str) -> str:
    """Where in a person's file an error came up, as a hint; "" where it is not known."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    if isinstance(error, SyntaxError) and error.filename == file:
        lines.append(error.lineno)
    return f"see {Path(file).name}, line {lines[-1]}" if lines else ""


def _attribute(module: Any, name: str, target: str) -> App:
    app = getattr(module, name, None)
    if not isinstance(app, App):
        raise UsageError(f"{target}: {name} is no App", hint=f"write {name} = App(…) in {module.__file__}")
    return app
