"""How a request proves who asks: by query key, header key, basic or bearer.

Each is a frozen value with two methods: `sign` gives the request as sent, `secrets` the texts that must show nowhere.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from .exchange import Request
from .settings import Secret

__all__ = ["Auth", "BasicAuth", "BearerAuth", "HeaderKey", "NoAuth", "QueryKey", "Reveal"]

Reveal = Callable[[Secret], str]


class Auth(Protocol):
    """What the fetcher needs of a way to authenticate."""

    @property
    def references(self) -> tuple[Secret, ...]:
        """The secrets it refers to."""
        ...

    def sign(self, request: Request, reveal: Reveal) -> Request:
        """The request with its proof, ready to send."""
        ...

    def secrets(self, reveal: Reveal) -> tuple[str, ...]:
        """Every form in which a secret is sent: what redaction has to look for."""
        ...


@dataclass(frozen=True)
class NoAuth:
    """Anybody may ask."""

    references: tuple[Secret, ...] = ()

    def sign(self, request: Request, reveal: Reveal) -> Request:  # noqa: ARG002 (the protocol's shape)
        return request

    def secrets(self, reveal: Reveal) -> tuple[str, ...]:  # noqa: ARG002 (the protocol's shape)
        return ()


@dataclass(frozen=True)
class QueryKey:
    """A key in the query: `QueryKey("apikey", Secret("OMDB_API_KEY"))`."""

    name: str
    secret: Secret

    @property
    def references(self) -> tuple[Secret, ...]:
        return (self.secret,)

    def sign(self, request: Request, reveal: Reveal) -> Request:
        return request.with_query((self.name, reveal(self.secret)))

    def secrets(self, reveal: Reveal) -> tuple[str, ...]:
        return (reveal(self.secret),)


@dataclass(frozen=True)
class HeaderKey:
    """A key in a header: `HeaderKey("X-API-Key", Secret("ACME_KEY"))`."""

    name: str
    secret: Secret

    @property
    def references(self) -> tuple[Secret, ...]:
        return (self.secret,)

    def sign(self, request: Request, reveal: Reveal) -> Request:
        return request.with_headers((self.name, reveal(self.secret)))

    def secrets(self, reveal: Reveal) -> tuple[str, ...]:
        return (reveal(self.secret),)


@dataclass(frozen=True)
class BearerAuth:
    """`Authorization: Bearer …` (RFC 6750)."""

    secret: Secret

    @property
    def references(self) -> tuple[Secret, ...]:
        return (self.secret,)

    def sign(self, request: Request, reveal: Reveal) -> Request:
        return request.with_headers(("Authorization", f"Bearer {reveal(self.secret)}"))

    def secrets(self, reveal: Reveal) -> tuple[str, ...]:
        return (reveal(self.secret),)


@dataclass(frozen=True)
class BasicAuth:
    """`Authorization: Basic …` (RFC 7617), user and password both by reference."""

    user: Secret
    password: Secret

    @property
    def references(self) -> tuple[Secret, ...]:
        return (self.user, self.password)

    def _token(self, reveal: Reveal) -> str:
        return b64encode(f"{reveal(self.user)}:{reveal(self.password)}".encode()).decode()

    def sign(self, request: Request, reveal: Reveal) -> Request:
        return request.with_headers(("Authorization", f"Basic {self._token(reveal)}"))

    def secrets(self, reveal: Reveal) -> tuple[str, ...]:
        return (reveal(self.password), self._token(reveal))
