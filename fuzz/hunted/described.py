"""Operations of the description, tried one by one in this process: schemathesis draws requests and judges answers.

No socket is in between, and of the many parameters that a list may have each request is offered a few, others every
some requests: to draw all of them for each took twenty times as long as to answer it.
"""

from __future__ import annotations

import asyncio
import io
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import hypothesis
import requests
import schemathesis
import urllib3
from hypothesis import strategies
from schemathesis.core.failures import FailureGroup

HOST = "http://localhost"
OFFERED = 4
"""Optional parameters that a request may have."""
ROUND = 100
"""Requests that are offered the same ones."""
SHORT = 3
"""So long are lists in most rounds: a list of 200 decimals is drawn sign by sign."""
LEFT_OUT = ("positive_data_acceptance", "ignored_auth")
"""Checks that are not made here: a cursor, a revision or a pair of bounds is judged by more than its schema, and
whether an operation heeds who asks is no matter of its values (the phases that ask a server try it)."""
REFUSED = [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 415, 422, 428, 429, 431]
"""By what a request may be refused that does not fit its schema."""
TO_COME = b"/problems/revision-not-there"
"""Somebody asked by `X-Revision-At-Least` for what may be committed yet: 503, as the description says."""
_CHECKS = {
    **{name: {"enabled": False} for name in LEFT_OUT},
    "negative_data_rejection": {"expected-statuses": REFUSED},
}
_SETTINGS = {
    "database": None,
    "deadline": None,
    "phases": [hypothesis.Phase.generate],
    "suppress_health_check": list(hypothesis.HealthCheck),
    "verbosity": hypothesis.Verbosity.quiet,
}


@dataclass(frozen=True)
class Tried:
    """What became of one operation. statuses: how often which was answered. failures: the check, and what is wrong."""

    who: str
    operation: str
    statuses: dict[str, int]
    failures: list[str]
    seconds: float

    @property
    def cases(self) -> int:
        return sum(self.statuses.values())


Json = dict[str, Any]


class InProcess(requests.adapters.BaseAdapter):
    """Takes requests to an ASGI application, and of events without an end the first ones."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._app = app
        self._loop = asyncio.new_event_loop()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        status, headers, body = self._loop.run_until_complete(self._answer(request))
        raw = urllib3.HTTPResponse(io.BytesIO(body), headers, status, preload_content=False, version=11)
        answer = requests.Response()
        answer.status_code, answer.raw, answer.request, answer.url = status, raw, request, str(request.url)
        answer.headers = requests.structures.CaseInsensitiveDict(raw.headers)
        answer.encoding = requests.utils.get_encoding_from_headers(answer.headers)
        answer.connection = self
        return answer

    async def _answer(self, request: requests.PreparedRequest) -> tuple[int, list[tuple[str, str]], bytes]:
        parts, body, told = urlsplit(str(request.url)), request.body or b"", list[Json]()
        sent = asyncio.Event()
        given = {"host": parts.netloc} | {name.lower(): value for name, value in request.headers.items()}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": request.method,
            "root_path": "",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "client": ("127.0.0.1", 5000),
            "server": ("127.0.0.1", 80),
            "state": {},
            "headers": [(_latin(name), _latin(value)) for name, value in given.items()],
        }
        pieces = [{"type": "http.request", "body": body.encode() if isinstance(body, str) else body}]

        async def receive() -> Json:
            if pieces:
                return pieces.pop()
            await sent.wait()
            return {"type": "http.disconnect"}

        async def send(message: Json) -> None:
            told.append(message)
            if not message.get("more_body") and message["type"] == "http.response.body":
                sent.set()
            elif message.get("body") and b"event-stream" in dict(told[0]["headers"]).get(b"content-type", b""):
                answering.cancel()

        answering = asyncio.ensure_future(self._app(scope, receive, send))
        await asyncio.wait([answering])
        if not answering.cancelled():
            answering.result()
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in told[0]["headers"]]
        return told[0]["status"], headers, b"".join(message.get("body", b"") for message in told[1:])

    def close(self) -> None:
        self._loop.close()


def _is_known(answer: schemathesis.Response, failure: BaseException) -> bool:
    to_come = answer.status_code == 503 and TO_COME in answer.content
    empty = [name for name, value in answer.request.headers.items() if not value.strip()]
    return to_come or any(f"/properties/{name}" in str(failure) for name in empty)


def _shortened(parameter: Json) -> Json:
    schema = parameter.get("schema", {})
    most = min(SHORT, schema.get("maxItems", SHORT))
    return {**parameter, "schema": {**schema, "maxItems": most}} if schema.get("type") == "array" else parameter


def _latin(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


class Described:
    """The description as one caller sees it. key: the caller's; "" for none."""

    def __init__(self, app: Any, who: str, key: str) -> None:
        self._who = who
        self._session = requests.Session()
        self._session.mount(HOST, InProcess(app))
        # Behind a gateway nobody is this machine, which reads without a key.
        self._headers = {"Via": "1.1 hunt", **({"X-API-Key": key} if key else {})}
        self._document = self._session.get(f"{HOST}/openapi.json", headers=self._headers).json()
        self._places = {
            told["operationId"]: (path, method)
            for path, methods in self._document["paths"].items()
            for method, told in methods.items()
        }

    @property
    def operations(self) -> list[str]:
        """Their ids."""
        return list(self._places)

    def tried(self, operation: str, examples: int, seed: int) -> Tried:
        """Asks as many requests of an operation, good and bad ones; fewer where there are no more different ones."""
        began, drawn = time.monotonic(), random.Random(f"{operation} {seed}")
        statuses, failures = Counter[str](), dict[str, str]()
        try:
            for good, bad, number in self._thinned(operation, examples, drawn):
                cases = strategies.one_of(self._drawn(good, "POSITIVE"), self._drawn(bad, "NEGATIVE"))
                self._ask(cases, number, drawn.randrange(2**32), statuses, failures)
        except Exception as error:  # noqa: BLE001 (the others are to be tried all the same)
            failures["raised"] = f"{type(error).__name__}: {error}"[:1200]
        return Tried(self._who, operation, dict(statuses), list(failures.values()), time.monotonic() - began)

    def _thinned(self, operation: str, examples: int, drawn: random.Random) -> Iterator[tuple[Json, Json, int]]:
        """The description of the operation alone, by which good requests are drawn and by which bad ones, and how many.

        Where its optional parameters are many, some of them for some requests.
        """
        path, method = self._places[operation]
        told = self._document["paths"][path][method]
        parameters = told.get("parameters", [])
        optional = [item for item in parameters if not item.get("required")]
        size = ROUND if len(optional) > OFFERED else examples
        for start in range(0, examples, size):
            left = drawn.sample(optional, max(0, len(optional) - OFFERED))
            kept = [item for item in parameters if item not in left]
            good = [_shortened(item) for item in kept] if drawn.random() < 0.8 else kept
            documents = (
                {**self._document, "paths": {path: {method: {**told, "parameters": chosen}}}} for chosen in (good, kept)
            )
            yield *documents, min(size, examples - start)

    def _drawn(self, document: Json, mode: str) -> strategies.SearchStrategy[schemathesis.Case]:
        """Requests of a document's one operation. Who has a key shows that one alone."""
        generation = {"with-security-parameters": "X-API-Key" not in self._headers}
        config = schemathesis.Config.from_dict({"checks": _CHECKS, "generation": generation})
        schema = schemathesis.openapi.from_dict(document, config=config)
        schema.config.update(base_url=HOST)
        (found,) = schema.get_all_operations()
        return found.ok().as_strategy(generation_mode=schemathesis.GenerationMode[mode])

    def _ask(
        self,
        cases: strategies.SearchStrategy[schemathesis.Case],
        examples: int,
        seed: int,
        statuses: Counter[str],
        failures: dict[str, str],
    ) -> None:
        def ask(case: schemathesis.Case) -> None:
            answer = case.call(session=self._session, headers=self._headers)
            statuses[str(answer.status_code)] += 1
            try:
                case.validate_response(answer, headers=self._headers)
            except FailureGroup as group:
                for failure in group.exceptions:
                    if not _is_known(answer, failure):
                        what = f"{failure.title}: {failure.message}\n{case.as_curl_command()}"
                        failures.setdefault(failure.title, " ".join(what.split())[:1200])

        chosen = hypothesis.settings(max_examples=examples, **_SETTINGS)
        hypothesis.seed(seed)(chosen(hypothesis.given(case=cases)(ask)))()
