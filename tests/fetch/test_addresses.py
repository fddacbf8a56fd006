"""Where requests may go."""

from __future__ import annotations

import ipaddress

import pytest

from catchment.errors import Refused
from catchment.fetch.addresses import allowed, parse_base

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"]
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 (an address to refuse)
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.1.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed_over_https_only(address):
    assert allowed([address], [], plain=False) == (address,)
    with pytest.raises(Refused) as caught:
        allowed([address], LOOPBACK, plain=True)
    assert caught.value.cause == "scheme"


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_other_addresses_are_refused(address):
    """Advisory A5: every spelling and every clothing of an address that is not public."""
    for plain in (False, True):
        with pytest.raises(Refused):
            allowed([address], [], plain=plain)


def test_allowed_networks_open_just_themselves():
    assert allowed(["127.0.0.1", "10.0.0.1"], LOOPBACK, plain=True) == ("127.0.0.1",)
    assert allowed(["::ffff:127.0.0.1"], LOOPBACK, plain=False) == ("127.0.0.1",)
    assert allowed(["::1", "127.0.0.1"], LOOPBACK, plain=True) == ("127.0.0.1",)
    with pytest.raises(Refused):
        allowed(["::1"], LOOPBACK, plain=False)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "localhost.",
        "①②⑦.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "exämple.com",
        "a..b",
        "-a.example",
        "a_b!.example",
        "[0:0:0:0:0:0:0:1]",
        "[::1%25lo]",
        "",
    ],
)
def test_odd_hosts_are_refused(host):
    with pytest.raises(Refused):
        parse_base(f"https://{host}/api")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "file:///etc/passwd",
        "example.com",
        "//example.com",
        "https://user:pass@example.com",
        "https://example.com?x=1",
        "https://example.com#x",
        "https://example.com/a b",
        "https://exam\tple.com",
        "https://example.com:99999",
        "https://example.com:x",
        "https://example.com\\@evil.example",
        "https://[::1",
    ],
)
def test_odd_urls_are_refused_without_being_quoted(url):
    with pytest.raises(Refused) as caught:
        parse_base(url)
    assert "example" not in str(caught.value)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://Data.Police.UK/api/", "https://data.police.uk/api"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[2606:4700::1111]:443/v1", "https://[2606:4700::1111]/v1"),
        ("https://example.com:443", "https://example.com"),
    ],
)
def test_base_urls(url, same):
    assert parse_base(url).url == same
