"""One request over real sockets: what comes back whole, and what each fault becomes."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import socket
import zlib

import pytest

from catchment.auth import HeaderKey, QueryKey
from catchment.errors import DeadlineExceeded, FetchError, Incomplete, Refused, TooLarge, Unreachable
from catchment.exchange import Request
from catchment.settings import Secret
from catchment.spool import KEPT, Spool

pytestmark = pytest.mark.anyio

JSON = json.dumps({"rows": [{"id": number, "name": f"row {number}"} for number in range(40)]}).encode()
ZIPPED = gzip.compress(JSON, mtime=0)
LARGE = b"[" + b",".join([JSON] * (KEPT // len(JSON) + 1)) + b"]"
SHORT_S = 0.2


def message(body: bytes = JSON, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def open_ended(body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers, "", ""]).encode() + body


def chunked(body: bytes, *headers: str, end: bytes = b"0\r\n\r\n") -> bytes:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:100], body[100:]) if part)
    return open_ended(b"", "Transfer-Encoding: chunked", *headers) + chunks + end


def keep(data: bytes):
    async def act(peer):
        await peer.send(data)
        return True

    return act


async def fails(upstream, fetcher, *acts, raises=FetchError, **options):
    """The error, and the upstream after it: one request came, unless told otherwise."""
    async with upstream(*acts) as there:
        async with fetcher() as fetch:
            with pytest.raises(raises) as caught:
                await fetch(there.url, **options)
        await there.settled()
    return caught.value, there


# --- what is whole comes back


WHOLE = {
    "length": message(),
    "chunked": chunked(JSON),
    "gzip": message(ZIPPED, "Content-Encoding: gzip"),
    "gzip, chunked": chunked(ZIPPED, "content-encoding: gzip"),
    "gzip, two members": message(gzip.compress(JSON[:99]) + gzip.compress(JSON[99:]), "Content-Encoding: x-gzip"),
    "deflate": message(zlib.compress(JSON), "Content-Encoding: deflate"),
    "bare deflate": message(zlib.compress(JSON, wbits=-15), "Content-Encoding: deflate"),
    "identity": message(JSON, "Content-Encoding: identity"),
    "until close, JSON": open_ended(JSON),
    "until close, gzip of lines": open_ended(ZIPPED, "Content-Encoding: gzip", kind="application/x-ndjson"),
    "HTTP/1.0": open_ended(JSON).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "100 and 103 first": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + message(),
    "lower-case and repeated headers": message(JSON, "x-a: 1", "x-a: 2").replace(b"Content-Type", b"content-type"),
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
async def test_whole_answers(upstream, fetcher, data):
    async with upstream(data) as there, fetcher() as fetch:
        answer = await fetch(there.url)
    assert (answer.status, answer.body) == (200, JSON)
    assert answer.header("Content-Type").startswith("application/")
    assert len(there.heads) == 1


async def test_the_request_as_it_is_sent(upstream, fetcher):
    request = Request("/a b/é/~x", (("q", "a/b+c %&"), ("e", "")), (("X-Own", "1"),))
    async with upstream(message()) as there, fetcher() as fetch:
        await fetch(f"{there.url}/base", request=request)
    head = there.heads[0].decode()
    assert head.split(" ")[1] == f"/base{request.target}" == "/base/a%20b/%C3%A9/~x?q=a%2Fb%2Bc%20%25%26&e="
    assert head.count("Accept-Encoding:") == 1
    assert "Accept-Encoding: gzip\r\n" in head
    assert "X-Own: 1\r\n" in head
    assert f"Host: 127.0.0.1:{there.port}\r\n" in head


async def test_only_chosen_headers_and_sizes(upstream, fetcher):
    data = message(
        ZIPPED, "Content-Encoding: gzip", "ETag: W/1", "X-RateLimit-Left: 4", "Set-Cookie: a=b", "X-Other: 1"
    )
    async with upstream(keep(data)) as there, fetcher() as fetch:
        answer = await fetch(there.url)
        await fetch(there.url)
    assert dict(answer.headers) == {
        "content-type": "application/json",
        "etag": "W/1",
        "x-ratelimit-left": "4",
        "content-length": str(len(ZIPPED)),
    }
    assert answer.wire_bytes == len(ZIPPED)
    assert b"Cookie" not in there.heads[1]


@pytest.mark.parametrize("status", ["404 Not Found", "429 Slow", "503 Later", "500 Broken"])
async def test_error_statuses_are_answers(upstream, fetcher, status):
    data = open_ended(b"<html>cut he", "Retry-After: 7", status=status, kind="text/html")
    async with upstream(data) as there, fetcher() as fetch:
        answer = await fetch(there.url)
    assert (answer.status, answer.header("retry-after")) == (int(status[:3]), "7")


@pytest.mark.parametrize("status", ["204 None", "304 Same"])
async def test_answers_without_a_body(upstream, fetcher, status):
    data = f"HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nETag: x\r\n\r\n".encode()
    async with upstream(keep(data), keep(message())) as there, fetcher() as fetch:
        assert (await fetch(there.url)).body == b""
        assert (await fetch(there.url)).body == JSON
    assert there.connections == 1


async def test_an_empty_body_may_be_called_gzip(upstream, fetcher):
    async with upstream(message(b"", "Content-Encoding: gzip")) as there, fetcher() as fetch:
        assert (await fetch(there.url)).body == b""


# --- connections


async def test_connection_refused(fetcher):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with fetcher() as fetch:
            with pytest.raises(Unreachable) as caught:
                await fetch(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert (caught.value.cause, caught.value.retry) == ("connect", True)


async def test_closed_without_an_answer_is_asked_once_only(upstream, fetcher):
    error, there = await fails(upstream, fetcher, b"", raises=Unreachable)
    assert (error.cause, error.retry) == ("closed", True)
    assert len(there.heads) == 1


async def test_reset_instead_of_an_answer(upstream, fetcher):
    async def reset(peer):
        peer.fired.append("reset")
        peer.reset()

    error, there = await fails(upstream, fetcher, reset, raises=Unreachable)
    assert (error.cause, there.fired, len(there.heads)) == ("closed", ["reset"], 1)


async def test_a_kept_connection_closed_meanwhile_is_asked_again_once(upstream, fetcher):
    async with upstream(keep(message()), b"", keep(message())) as there, fetcher() as fetch:
        await fetch(there.url, "/first")
        answer = await fetch(there.url, "/second")
    assert answer.body == JSON
    assert there.lines == ["GET /first HTTP/1.1", "GET /second HTTP/1.1", "GET /second HTTP/1.1"]
    assert there.connections == 2


async def test_but_not_twice_and_not_for_post(upstream, fetcher):
    async with upstream(keep(message()), b"", b"", keep(message()), b"") as there, fetcher() as fetch:
        await fetch(there.url)
        with pytest.raises(Unreachable):
            await fetch(there.url)
        await fetch(there.url)
        with pytest.raises(Unreachable):
            await fetch(there.url, request=Request("/", method="POST"))
    assert len(there.heads) == 5


async def test_connections_are_kept(upstream, fetcher):
    async with upstream(keep(message())) as there, fetcher() as fetch:
        for _ in range(3):
            await fetch(there.url)
    assert (len(there.heads), there.connections) == (3, 1)


async def test_many_at_once_each_get_their_own_answer(upstream, fetcher):
    async def echo(peer):
        await peer.send(message(json.dumps(there.lines[-1]).encode()))
        return True

    async with upstream(echo) as there, fetcher() as fetch:
        answers = await asyncio.gather(*(fetch(there.url, f"/{number}") for number in range(20)))
    assert [json.loads(answer.body) for answer in answers] == [f"GET /{number} HTTP/1.1" for number in range(20)]


# --- deadlines


def drip(data: bytes):
    async def act(peer):
        for at in range(len(data)):
            await peer.send(data[at : at + 1])
            peer.fired.append("drip")
            if await peer.gone(0.01):
                peer.fired.append("hung up")
                return

    return act


async def silent(peer):
    if await peer.gone(5):
        peer.fired.append("hung up")


async def timed(awaitable) -> float:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await awaitable
    return loop.time() - start


async def test_no_answer_at_all_is_cut_at_the_header_deadline(upstream, fetcher):
    error, there = await fails(upstream, fetcher, silent, raises=DeadlineExceeded, header_s=SHORT_S)
    assert there.fired == ["hung up"]
    assert "headers" in error.message


async def test_dripping_headers_are_cut(upstream, fetcher):
    error, there = await fails(upstream, fetcher, drip(message()), raises=DeadlineExceeded, header_s=SHORT_S)
    assert there.fired.count("drip") > 3
    assert there.fired[-1] == "hung up"
    assert error.retry


async def test_a_dripping_body_is_cut_at_the_deadline(upstream, fetcher):
    async def act(peer):
        await peer.send(message()[: -len(JSON)])
        await drip(JSON)(peer)

    async with upstream(act) as there, fetcher() as fetch:

        async def attempt():
            with pytest.raises(DeadlineExceeded):
                await fetch(there.url, deadline_s=SHORT_S)

        took = await timed(attempt())
        await there.settled()
    assert there.fired.count("drip") > 3
    assert there.fired[-1] == "hung up"
    assert SHORT_S * 0.9 < took < SHORT_S * 3


async def test_a_slow_handshake_is_cut_at_the_connect_deadline(fetcher):
    accepted = asyncio.Event()

    async def mute(reader, writer):
        accepted.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server, fetcher() as fetch:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DeadlineExceeded) as caught:
            await fetch(f"https://127.0.0.1:{port}", connect_s=SHORT_S)
    assert accepted.is_set()
    assert "connection" in caught.value.message


async def test_a_slow_name_is_cut_at_the_connect_deadline(fetcher):
    asked = asyncio.Event()

    class Slow:
        async def resolve(self, _host, _port):
            asked.set()
            await asyncio.Event().wait()

    async with fetcher(resolver=Slow()) as fetch:
        with pytest.raises(DeadlineExceeded):
            await fetch("https://slow.example", connect_s=SHORT_S)
    assert asked.is_set()


# --- completeness


@pytest.mark.parametrize("cut", range(1, len(JSON), len(JSON) // 20))
async def test_reset_at_each_of_twenty_places(upstream, fetcher, cut):
    async def act(peer):
        await peer.send(message()[: cut - len(JSON)])
        peer.fired.append("reset")
        peer.reset()

    error, there = await fails(upstream, fetcher, act)
    # A reset overtakes bytes still on their way, the headers among them.
    assert isinstance(error, (Incomplete, Unreachable))
    assert error.retry
    assert there.fired == ["reset"]


async def test_a_large_answer_for_which_there_is_no_room_is_told(upstream, fetcher, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    async with fetcher() as fetch:
        async with upstream(message(JSON)) as there:
            assert (await fetch(there.url)).body == JSON
        async with upstream(message(LARGE)) as there:
            with pytest.raises(Incomplete, match=r"no room for a large body.*\(No such file") as caught:
                await fetch(there.url)
    assert (caught.value.retry, caught.value.hint) == (False, "make room, or set TMPDIR")


CUT = {
    "until close, large and cut": open_ended(LARGE[:-1]),
    "short of its length": message(JSON[:-1], length=len(JSON)),
    "no byte of its length": message(b"", length=len(JSON)),
    "no last chunk": chunked(JSON, end=b""),
    "last chunk cut": chunked(JSON, end=b"0\r\n"),
    "within a chunk": chunked(JSON, end=b"ff\r\nabc"),
    "until close, cut JSON": open_ended(JSON[:-1]),
    "until close, cut after an inner object": open_ended(b'{"a": {"b": 1}'),
    "until close, lines": open_ended(b'{"a": 1}\n', kind="application/x-ndjson"),
    "until close, text": open_ended(b"a,b\n1,2\n", kind="text/csv"),
    "until close, empty": open_ended(b""),
    "until close, number": open_ended(b"12"),
    "until close, deep": open_ended(b"[" * 100_000 + b"]" * 100_000),
    "gzip cut, right length": message(ZIPPED[:-9], "Content-Encoding: gzip"),
    "gzip trailer missing, chunked": chunked(ZIPPED[:-8], "Content-Encoding: gzip"),
    "gzip cut, until close": open_ended(ZIPPED[:-1], "Content-Encoding: gzip"),
    "gzip empty, until close": open_ended(b"", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize(
    "data",
    [message(LARGE), message(gzip.compress(LARGE, 1), "Content-Encoding: gzip"), open_ended(LARGE)],
    ids=["length", "gzip", "until close"],
)
async def test_a_large_answer_is_whole_and_not_in_memory(upstream, fetcher, data):
    async with upstream(data) as there, fetcher() as fetch:
        answer = await fetch(there.url, ratio=10_000)
    assert isinstance(answer.content, Spool)
    assert answer.body == LARGE


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
async def test_cut_answers(upstream, fetcher, data):
    error, there = await fails(upstream, fetcher, data, raises=Incomplete, deadline_s=2)
    assert (error.cause, error.retry, len(there.heads)) == ("incomplete", True, 1)


async def test_a_caller_may_take_what_proves_no_end(upstream, fetcher):
    async with upstream(open_ended(b"a,b\n1,2\n", kind="text/csv")) as there, fetcher() as fetch:
        assert (await fetch(there.url, open_ended=True)).body == b"a,b\n1,2\n"


async def test_a_chunk_that_breaks_the_protocol_after_the_headers(upstream, fetcher):
    async def act(peer):
        await peer.send(chunked(JSON, end=b""))
        await peer.gone(0.05)
        await peer.send(b"zz\r\nabc")
        peer.fired.append("broken chunk")
        return True

    error, there = await fails(upstream, fetcher, act, raises=Incomplete, deadline_s=2)
    assert (error.cause, there.fired[0]) == ("incomplete", "broken chunk")


async def test_a_longer_body_than_announced(upstream, fetcher):
    error, _ = await fails(upstream, fetcher, keep(message(JSON, length=len(JSON) - 3)), raises=Incomplete)
    assert error.cause == "protocol"


async def test_bytes_after_an_answer_do_not_reach_the_next_one(upstream, fetcher):
    async def act(peer):
        await peer.send(message())
        await peer.gone(0.05)
        await peer.send(b"late")
        peer.fired.append("late")
        return not await peer.gone(1)

    async with upstream(act, keep(message())) as there, fetcher() as fetch:
        assert (await fetch(there.url)).body == JSON
        await there.settled()
        assert (await fetch(there.url)).body == JSON
    assert (there.fired[0], there.connections) == ("late", 2)


ENCODING = {
    "claims gzip": message(JSON, "Content-Encoding: gzip"),
    "wrong CRC": message(ZIPPED[:-5] + b"\x00" + ZIPPED[-4:], "Content-Encoding: gzip"),
    "junk after gzip": message(ZIPPED + b"junk", "Content-Encoding: gzip"),
    "two layers": message(gzip.compress(ZIPPED), "Content-Encoding: gzip, gzip"),
    "two headers": message(gzip.compress(ZIPPED), "Content-Encoding: gzip", "Content-Encoding: gzip"),
    "not asked for": message(JSON, "Content-Encoding: br"),
    "gzip as transfer encoding": open_ended(ZIPPED, "Transfer-Encoding: gzip"),
}


@pytest.mark.parametrize("data", ENCODING.values(), ids=ENCODING)
async def test_wrong_encodings(upstream, fetcher, data):
    error, there = await fails(upstream, fetcher, data, raises=Incomplete)
    assert (error.cause, len(there.heads)) == ("encoding", 1)


PROTOCOL = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "two lengths": message(JSON, "Content-Length: 3"),
    "chunk size": chunked(b"", end=b"zz\r\nabc"),
    "switching protocols": open_ended(b"", "Connection: upgrade", "Upgrade: x", status="101 Switching"),
    "many headers": message(JSON, *[f"X-{number}: 1" for number in range(10_000)]),
}


@pytest.mark.parametrize("data", PROTOCOL.values(), ids=PROTOCOL)
async def test_what_is_not_proper_http(upstream, fetcher, data):
    error, there = await fails(upstream, fetcher, data, raises=Incomplete)
    assert (error.cause, len(there.heads)) == ("protocol", 1)


# --- caps


async def endless(peer):
    await peer.send(open_ended(b"", "Transfer-Encoding: chunked"))
    while not peer.writer.is_closing():
        await peer.send(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        peer.fired.append("sent")


async def test_an_endless_body_is_cut_while_it_streams(upstream, fetcher):
    error, there = await fails(upstream, fetcher, endless, raises=TooLarge, wire_bytes=1 << 20)
    assert (error.cause, error.retry) == ("wire-bytes", False)
    assert there.fired[-1] == "hung up"
    assert there.fired.count("sent") * 0x8000 < 16 << 20


async def test_an_announced_size_over_the_cap_is_not_read(upstream, fetcher):
    error, _ = await fails(upstream, fetcher, message(b"", length=10**12), raises=TooLarge)
    assert error.cause == "wire-bytes"


@pytest.mark.parametrize(("ratio", "cause"), [(100, "ratio"), (10_000, "decoded-bytes")])
async def test_a_gzip_bomb(upstream, fetcher, ratio, cause):
    bomb = gzip.compress(b" " * (16 << 20))
    data = message(bomb, "Content-Encoding: gzip")
    error, _ = await fails(upstream, fetcher, data, raises=TooLarge, ratio=ratio, decoded_bytes=4 << 20)
    assert error.cause == cause


@pytest.mark.parametrize(
    "headers", [["X-Long: " + "x" * (1 << 20)], [f"X-{number}: " + "x" * 1000 for number in range(100)]]
)
async def test_a_header_bomb(upstream, fetcher, headers):
    error, _ = await fails(upstream, fetcher, keep(message(JSON, *headers)), raises=TooLarge)
    assert error.cause == "headers"


# --- redirects


def redirect(location: str, status: int = 302):
    return keep(f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nbody".encode())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_refused(upstream, fetcher, status):
    error, there = await fails(upstream, fetcher, redirect("/other", status), raises=Refused)
    assert (error.cause, error.retry, len(there.heads)) == ("redirect", False, 1)


KEY = QueryKey("apikey", Secret("K3Y-for-the-query"))


async def test_redirects_within_the_origin_when_allowed(upstream, fetcher):
    async with (
        upstream(redirect("/new%20place?page=2&apikey=K3Y-for-the-query"), keep(message())) as there,
        fetcher() as fetch,
    ):
        answer = await fetch(there.url, auth=KEY, redirects=1)
    assert answer.body == JSON
    assert there.lines[1] == "GET /new%20place?page=2&apikey=K3Y-for-the-query HTTP/1.1"


@pytest.mark.parametrize("redirects", [1, 3])
async def test_a_redirect_loop_ends(upstream, fetcher, redirects):
    error, there = await fails(upstream, fetcher, redirect("/again"), raises=Refused, redirects=redirects)
    assert (error.cause, len(there.heads)) == ("redirect", redirects + 1)


@pytest.mark.parametrize("where", ["", "https://127.0.0.1:{port}/", "//localhost:{port}/", "http://[::1", "/a%2Fb"])
async def test_redirects_that_are_never_followed(upstream, fetcher, where):
    async with upstream(message()) as other:
        location = where.format(port=other.port)
        error, there = await fails(upstream, fetcher, redirect(location), raises=Refused, redirects=3)
    assert (error.cause, len(there.heads), other.connections) == ("redirect", 1, 0)


@pytest.mark.parametrize("auth", [KEY, HeaderKey("X-API-Key", Secret("K3Y-for-the-header"))], ids=["query", "header"])
async def test_no_key_goes_to_another_port(upstream, fetcher, auth):
    async with upstream(message()) as other:
        where = redirect(f"{other.url}/steal")
        _, there = await fails(upstream, fetcher, where, raises=Refused, redirects=3, auth=auth)
    assert (len(there.heads), other.connections) == (1, 0)


# --- where requests may go


class Names:
    """A resolver that gives the next of its answers to each question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, _host, _port):
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


async def test_the_checked_address_is_the_one_connected_to(upstream, fetcher):
    names = Names(["10.9.9.9", "127.0.0.1"], ["10.9.9.9"])
    async with upstream(message()) as there, fetcher(resolver=names) as fetch:
        base = f"http://api.example:{there.port}"
        assert (await fetch(base)).body == JSON
        assert (there.connections, names.asked) == (1, 1)
        with pytest.raises(Refused):  # the name points elsewhere now
            await fetch(base)
    assert (there.connections, names.asked) == (1, 2)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["api.example", "127.0.0.1"])
async def test_a_private_address_is_not_connected_to(upstream, fetcher, scheme, host):
    """Advisory A5: on the one way out that there is."""
    async with upstream(message()) as there, fetcher(allow_private=[], resolver=Names(["127.0.0.1"])) as fetch:
        with pytest.raises(Refused):
            await fetch(f"{scheme}://{host}:{there.port}")
    assert there.connections == 0


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "①②⑦.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]"]
)
async def test_odd_spellings_of_loopback_do_not_connect(upstream, fetcher, host):
    async with upstream(message()) as there, fetcher() as fetch:
        with pytest.raises(Refused):
            await fetch(f"http://{host}:{there.port}")
    assert there.connections == 0


async def test_http_stays_within_the_allowed_networks(fetcher):
    names = Names(["93.184.216.34"])
    async with fetcher(resolver=names) as fetch:
        with pytest.raises(Refused) as caught:
            await fetch("http://api.example")
    assert (caught.value.cause, names.asked) == ("scheme", 1)


@pytest.mark.parametrize("found", [[], ["nonsense"]])
async def test_a_name_without_an_address(fetcher, found):
    async with fetcher(resolver=Names(found), allow_private=[ipaddress.ip_network("127.0.0.0/8")]) as fetch:
        with pytest.raises((Unreachable, Refused)):
            await fetch("https://api.example")


async def test_the_systems_resolver(upstream, fetcher):
    async with upstream(message()) as there, fetcher() as fetch:
        assert (await fetch(f"http://localhost:{there.port}")).body == JSON


async def test_proxies_and_netrc_of_the_environment_are_ignored(upstream, fetcher, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password netrc-password\n")
    netrc.chmod(0o600)
    async with upstream(message()) as proxy, upstream(message()) as there:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.delenv("no_proxy", raising=False)
        async with fetcher() as fetch:
            await fetch(there.url)
    assert proxy.connections == 0
    assert b"Authorization" not in there.heads[0]


BROKEN_OUT = {
    "no leading slash": Request("@evil.example/"),
    "host header": Request("/", headers=(("Host", "evil.example"),)),
    "own encoding": Request("/", headers=(("accept-encoding", "br"),)),
    "line break": Request("/", headers=(("X-A", "a\r\nX-B: b"),)),
    "odd header name": Request("/", headers=(("X A", "b"),)),
    "odd method": Request("/", method="GET / HTTP/1.1\r\nX:"),
}


@pytest.mark.parametrize("request_", BROKEN_OUT.values(), ids=BROKEN_OUT)
async def test_nothing_breaks_out_of_its_place(upstream, fetcher, request_):
    async with upstream(message()) as there, fetcher() as fetch:
        with pytest.raises(Refused) as caught:
            await fetch(there.url, request=request_)
    assert (caught.value.cause, there.heads) == ("request", [])
