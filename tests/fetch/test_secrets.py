"""No secret leaves: not in errors, what they chain to, logs, reprs or answers."""

from __future__ import annotations

import asyncio
import gzip
import logging
import traceback
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

import catchment
from catchment.auth import BasicAuth, BearerAuth, HeaderKey, NoAuth, QueryKey
from catchment.errors import CatchmentError
from catchment.exchange import Request
from catchment.settings import Secret
from catchment.spool import KEPT, Spool

pytestmark = pytest.mark.anyio

OURS = Path(catchment.__file__).parent

CANARY = "C4nary/key+1=yellow"
TOKEN = b64encode(f"USER:{CANARY}".encode()).decode()
SPELLINGS = [CANARY, quote(CANARY), quote(CANARY, safe=""), TOKEN]
AUTHS = {
    "query": QueryKey("apikey", Secret("KEY")),
    "header": HeaderKey("X-API-Key", Secret("KEY")),
    "bearer": BearerAuth(Secret("KEY")),
    "basic": BasicAuth(Secret("USER"), Secret("KEY")),
}


def reveal(secret: Secret) -> str:
    return CANARY if secret.name == "KEY" else "USER"


async def reset(peer):
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc")
    peer.reset()


async def silent(peer):
    await peer.gone(5)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
ECHO = "&".join(SPELLINGS).encode()
FAULTS = {
    "closed": b"",
    "reset": reset,
    "silent": silent,
    "not HTTP": b"GET /?apikey=" + ECHO + b"\r\n\r\n",
    "bad header": b"HTTP/1.1 200 OK\r\n" + ECHO + b"\r\n\r\n",
    "long header": b"HTTP/1.1 200 OK\r\nX: " + ECHO * 4000 + b"\r\n\r\n",
    "short": HEAD + b"Content-Length: 9000\r\n\r\n" + ECHO,
    "cut chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + ECHO,
    "bad chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + ECHO + b"\r\n",
    "no proof": HEAD + b"\r\n" + ECHO,
    "encoding": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "other encoding": HEAD + b"Content-Encoding: " + ECHO + b"\r\nContent-Length: 4\r\n\r\nabcd",
    "too large": HEAD + b"Content-Length: 99999999999\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Go\r\nLocation: /?apikey=" + ECHO + b"\r\nContent-Length: 0\r\n\r\n",
    "bad redirect": b"HTTP/1.1 302 Go\r\nLocation: http://[" + ECHO + b"\r\nContent-Length: 0\r\n\r\n",
}


def shown(error: BaseException) -> str:
    """All that printing the error or walking along its chain could show, with the variables of our own frames."""
    found, texts = error, []
    while found is not None:
        printed = traceback.TracebackException.from_exception(found, capture_locals=True)
        texts += [repr(found), str(found), repr(vars(found)), *traceback.format_exception(found)]
        texts += [repr(frame.locals) for frame in printed.stack if OURS in Path(frame.filename).parents]
        found = found.__cause__ or found.__context__
    return "\n".join(texts)


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_errors_and_logs_hold_no_secret(upstream, fetcher, caplog, fault, auth):
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().slow_callback_duration = 0.0
    async with upstream(fault) as there, fetcher() as fetch:
        with pytest.raises(CatchmentError) as caught:
            await fetch(there.url, auth=auth, reveal=reveal, header_s=0.2, redirects=0)
    assert len(there.heads) == 1
    assert any(spelling.encode() in there.heads[0] for spelling in SPELLINGS), "the secret was sent"
    for spelling in SPELLINGS:
        assert spelling not in shown(caught.value)
        assert spelling not in caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
@pytest.mark.parametrize(
    "base",
    ["https://127.0.0.1:1", "http://127.0.0.1:1", "http://10.0.0.1", "https://[", "https://no-such-host.invalid"],
)
async def test_nor_do_those_before_the_request(fetcher, caplog, auth, base):
    class Nobody:
        async def resolve(self, _host, _port):
            raise OSError(f"asked with {CANARY}")

    caplog.set_level(logging.DEBUG)
    async with fetcher(resolver=Nobody()) as fetch:
        with pytest.raises(CatchmentError) as caught:
            await fetch(base, auth=auth, reveal=reveal)
    for spelling in SPELLINGS:
        assert spelling not in shown(caught.value) + caplog.text


@pytest.mark.parametrize("auth", [HeaderKey("X-Key", Secret("KEY")), QueryKey("apikey", Secret("KEY"))])
async def test_a_secret_that_cannot_be_sent_is_not_shown(upstream, fetcher, auth):
    odd = f"{CANARY}\r\nX: y\ud800"
    async with upstream(HEAD + b"Content-Length: 2\r\n\r\n{}") as there, fetcher() as fetch:
        with pytest.raises(CatchmentError) as caught:
            await fetch(there.url, auth=auth, reveal=lambda _: odd)
    assert CANARY not in shown(caught.value)
    assert there.heads == []


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
async def test_an_echo_is_masked_before_it_is_returned(upstream, fetcher, auth):
    sent = auth.secrets(reveal)
    spellings = [spelling for secret in sent for spelling in (secret, quote(secret), quote(secret, safe=""))]
    body = gzip.compress(f'{{"note": "your key {" and ".join(spellings)} is over its limit"}}'.encode())
    link = f"Link: </next?apikey={quote(sent[0], safe='')}>\r\n".encode()
    data = HEAD + link + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with upstream(data) as there, fetcher() as fetch:
        answer = await fetch(there.url, auth=auth, reveal=reveal)
    assert answer.body.count(b"***") == len(spellings)
    assert answer.header("link") == "</next?apikey=***>"
    assert not any(spelling in repr(answer) for spelling in SPELLINGS[:3])


async def test_an_echo_in_a_large_answer_is_masked_too(upstream, fetcher):
    body = b'{"next": "/?' + CANARY.encode() + b'",' + b" " * KEPT + b'"last": "/?' + CANARY.encode() + b'"}'
    async with upstream(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) as there, fetcher() as fetch:
        answer = await fetch(there.url, auth=AUTHS["query"], reveal=reveal)
    assert isinstance(answer.content, Spool)
    assert answer.body == body.replace(CANARY.encode(), b"***")


async def test_an_answer_without_an_echo_is_untouched(upstream, fetcher):
    async with upstream(HEAD + b'Content-Length: 11\r\n\r\n[1, 2, "x"]') as there, fetcher() as fetch:
        answer = await fetch(there.url, request=Request("/"), auth=NoAuth())
    assert answer.body == b'[1, 2, "x"]'
