"""TLS: who is trusted, and what is tried again."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from catchment.errors import Unreachable

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Authority:
    """A throw-away certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "ca.pem"
        self._openssl("req", "-x509", *self._new("ca"), "-subj", "/CN=test", "-days", "2", "-out", self.file)

    def _openssl(self, *words: object) -> None:
        subprocess.run(["openssl", *map(str, words)], cwd=self.folder, check=True, capture_output=True)

    def _new(self, name: str) -> list[object]:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]

    def server(self, subject: str, *, days: int = 2, own: bool = False) -> ssl.SSLContext:
        """A server's context with a certificate for `subject`, e.g. `IP:127.0.0.1`; `own`: signed by itself."""
        san = ["-addext", f"subjectAltName={subject}"]
        if own:
            self._openssl("req", "-x509", *self._new("s"), "-subj", "/CN=s", *san, "-days", days, "-out", "s.pem")
        else:
            self._openssl("req", *self._new("s"), "-subj", "/CN=s", *san, "-out", "s.csr")
            signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copyall"]
            self._openssl("x509", "-req", "-in", "s.csr", *signed, "-days", days, "-out", "s.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "s.pem", self.folder / "s.key")
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_the_given_authority_is_trusted(upstream, fetcher, authority):
    tls = authority.server("IP:127.0.0.1")
    async with upstream(ANSWER, tls=tls) as there, fetcher(ca_file=authority.file) as fetch:
        assert (await fetch(there.url)).body == b"{}"


UNTRUSTED = {
    "expired": ("IP:127.0.0.1", {"days": -1}),
    "wrong host": ("DNS:other.example", {}),
    "self-signed": ("IP:127.0.0.1", {"own": True}),
}


@pytest.mark.parametrize(("subject", "options"), UNTRUSTED.values(), ids=UNTRUSTED)
async def test_bad_certificates_are_final(upstream, fetcher, authority, subject, options):
    tls = authority.server(subject, **options)
    async with upstream(ANSWER, tls=tls) as there, fetcher(ca_file=authority.file) as fetch:
        with pytest.raises(Unreachable) as caught:
            await fetch(there.url)
    assert (caught.value.cause, caught.value.retry, there.heads) == ("tls", False, [])


async def test_an_unknown_authority_is_final(upstream, fetcher, authority):
    async with upstream(ANSWER, tls=authority.server("IP:127.0.0.1")) as there, fetcher() as fetch:
        with pytest.raises(Unreachable) as caught:
            await fetch(there.url)
    assert (caught.value.cause, caught.value.retry, there.heads) == ("tls", False, [])


async def test_the_name_is_checked_although_the_address_is_pinned(upstream, fetcher, authority):
    class Loopback:
        async def resolve(self, _host, _port):
            return ["127.0.0.1"]

    options = {"ca_file": authority.file, "resolver": Loopback()}
    async with upstream(ANSWER, tls=authority.server("DNS:api.example")) as there, fetcher(**options) as fetch:
        assert (await fetch(f"https://api.example:{there.port}")).body == b"{}"
        with pytest.raises(Unreachable):
            await fetch(f"https://other.example:{there.port}")


HANDSHAKES = {
    "old protocol": (b"\x15\x03\x01\x00\x02\x02\x46", False),  # the alert of a server that knows TLS 1.1 at most
    "plain text": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", True),
    "closed": (b"", True),
}


@pytest.mark.parametrize(("reply", "again"), HANDSHAKES.values(), ids=HANDSHAKES)
async def test_broken_handshakes(fetcher, reply, again):
    hello = bytearray()

    async def serve(reader, writer):
        hello.extend(await reader.read(1 << 16))
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, fetcher() as fetch:
        with pytest.raises(Unreachable) as caught:
            await fetch(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert hello[:1] == b"\x16", "a handshake was begun"
    assert caught.value.retry is again
