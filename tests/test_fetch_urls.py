"""What may be asked: URLs in one form, public addresses, allowed hosts; and the names of files."""

import ipaddress
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinset.errors import FetchError, UsageError
from twinset.fetch import Limits
from twinset.fetch.addresses import is_public, resolve
from twinset.fetch.names import name
from twinset.fetch.rules import Rules
from twinset.fetch.urls import join, parse
from web_shop import resolving

Patch = pytest.MonkeyPatch

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.9.9.9",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::127.0.0.1",
    "::7f00:1",
    "::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:808:808::1",
    "2001:2::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd12::1",
    "fe80::1",
    "fe80::1%lo",
    "febf::1",
    "fec0::1",
    "ff00::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_public(address: str, monkeypatch: Patch) -> None:
    """A host at such an address is refused, also where it has public ones too."""
    assert not is_public(address)
    resolving(monkeypatch, {"shop.test": [[address], ["8.8.8.8", address], [address, "8.8.8.8"]]})
    for _ in range(3):
        with pytest.raises(FetchError, match=f"shop.test is {re.escape(address)}, which is no public") as caught:
            resolve("shop.test", 443)
        assert caught.value.code == "address_refused"
        assert caught.value.again is None


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_are_public(address: str, monkeypatch: Patch) -> None:
    """Public addresses next to special ones are not refused."""
    assert is_public(address)
    resolving(monkeypatch, {"shop.test": [[address]]})
    assert resolve("shop.test", 443) == [address]


@given(st.ip_addresses())
def test_no_address_that_python_calls_special_is_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Our list takes in what the standard library calls private, multicast, reserved, loopback or link-local."""
    special = (
        not address.is_global or address.is_multicast or address.is_reserved or address.is_loopback
        or address.is_link_local or address.is_unspecified
    )  # fmt: skip
    embeds = address.version == 6 and (address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96"))
    if special and not embeds:
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_by_itself(address: ipaddress.IPv4Address) -> None:
    """Mapped and NAT64 addresses are as public as what they hold; 6to4, Teredo and ::a.b.c.d never are."""
    number = int(address)
    assert is_public(f"::ffff:{address}") == is_public(f"64:ff9b::{address}") == is_public(str(address))
    for never in (0x2002 << 112 | number << 80, 0x20010000 << 96 | number ^ 0xFFFFFFFF, number):
        assert not is_public(str(ipaddress.IPv6Address(never)))


def test_a_name_that_nobody_knows(monkeypatch: Patch) -> None:
    """An unknown name is not asked for again; a resolver that cannot say so now is."""
    for number, again in ((socket.EAI_NONAME, None), (socket.EAI_AGAIN, 0.0)):

        def fails(*_: object, number: int = number, **__: object) -> None:
            raise socket.gaierror(number, "not known")

        monkeypatch.setattr(socket, "getaddrinfo", fails)
        with pytest.raises(FetchError, match=r"shop\.test has no address: not known: mend the URL") as caught:
            resolve("shop.test", 443)
        assert (caught.value.code, caught.value.again) == ("no_such_host", again)


# --- URLs, rules, names


@pytest.mark.parametrize(
    ("given", "is_"),
    [
        ("HTTPS://Shop.Example/a", "https://shop.example/a"),
        ("https://shop.example:443", "https://shop.example/"),
        ("https://shop.example:8443?x=1#top", "https://shop.example:8443/?x=1"),
        (" https://shop.example/a b%20c.jpg ", "https://shop.example/a%20b%20c.jpg"),
        ("https://bücher.example/ö?q=ü", "https://xn--bcher-kva.example/%C3%B6?q=%C3%BC"),
        ("https://[2001:DB8::1]:9/a", "https://[2001:db8::1]:9/a"),
        ("https://shop.example/a\\b|c", "https://shop.example/a%5Cb%7Cc"),
    ],
)
def test_urls_have_one_form(given: str, is_: str) -> None:
    """Scheme and host in small letters, no default port, no fragment, all in ASCII; parsing again is idle."""
    assert str(parse(given)) == is_
    assert parse(is_) == parse(given)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("ftp://shop.example/a", "does not begin with https://"),
        ("//shop.example/a", "does not begin with https://"),
        ("https:///a.jpg", "is no host"),
        ("https://user@shop.example/a", "a user's name or password"),
        ("https://user:pw@shop.example/a", "a user's name or password"),
        ("https://shop.example\\@evil.example/a", "a user's name or password"),
        ("https://shop.example\\evil.example/a", "is no host"),
        ("https://shop example/a", "is no host"),
        ("https://-shop.example/a", "is no host"),
        ("https://shop%2eexample/a", "is no host"),
        ("https://shop.example:0/a", "its port is 0"),
        ("https://shop.example:99999/a", "[Pp]ort"),
        ("https://shop.example:x/a", "[Pp]ort"),
        ("https://[::1/a", "[Ii]nvalid"),
        ("https://[fe80::1%25eth0]/a", "is no host"),
        ("https://shop.example/a\nHost: evil", "control characters"),
        ("https://shop.exa\tmple/a", "control characters"),
        (f"https://{'a' * 64}.example/a", "label"),
        ("https://shop..example/a", "label"),
    ],
)
def test_urls_that_two_parsers_might_read_differently(given: str, says: str) -> None:
    """Such URLs are refused, before anything is asked."""
    with pytest.raises(
        FetchError, match=f"the URL cannot be used: .*{says}.*: mend it, or leave the row out"
    ) as caught:
        parse(given)
    assert caught.value.code == "bad_url"


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_url_or_refused(text: str, location: str) -> None:
    """No text raises anything else; what is taken is printable ASCII without a space."""
    base = parse("https://shop.example/a/b?c")
    for made in (
        lambda: parse(f"https://{text}"),
        lambda: parse(f"https://h/{text}?{location}"),
        lambda: join(base, location),
    ):
        try:
            assert re.fullmatch(r"https?://[!-~]+", str(made()))
        except FetchError as error:
            assert error.code in ("bad_url", "bad_redirect")  # noqa: PT017


def test_rules_name_the_mend() -> None:
    """HTTP is refused but for tests; hosts count by their exact name and port; a bad --allow-host is usage."""
    rules = Rules.allow(["CDN.Shop.example", "shop.example:8443"])
    rules.check(parse("https://cdn.shop.example/a"))
    rules.check(parse("https://shop.example:8443/a"))
    for other in ("shop.example", "a.cdn.shop.example", "cdn.shop.example:8443", "cdn.shop.example.evil.example"):
        with pytest.raises(FetchError, match=f"the host {other} is not allowed: add --allow-host {other} if you"):
            rules.check(parse(f"https://{other}/a"))
    with pytest.raises(FetchError, match=r"cdn\.shop\.example would be asked without encryption: write https://"):
        rules.check(parse("http://cdn.shop.example/a"))
    for bad in ("", "https://shop.example", "shop.example/a", "*.example", "user@shop.example", "a b", "x:y", "?"):
        with pytest.raises(UsageError, match=f"{re.escape(repr(bad))} is no host: write --allow-host HOST or"):
            Rules.allow([bad])
    with pytest.raises(UsageError, match="no host is allowed: name the photos' host with --allow-host"):
        Rules.allow([])
    for count in (0, 65):
        with pytest.raises(UsageError, match=f"{count} requests at once are out of range: give 1-64"):
            Limits(concurrency=count)


@pytest.mark.parametrize(
    ("url", "is_"),
    [
        ("https://h.example/a/b/Front.JPEG?v=1", r"h\.example/a-b-Front-HASH\.jpeg"),
        ("https://h.example/image.php?id=1", r"h\.example/image\.php-HASH"),
        ("https://h.example:8443/../../etc/passwd", r"h\.example_8443/etc-passwd-HASH"),
        ("https://h.example/", r"h\.example/photo-HASH"),
        ("https://h.example/.hidden.png", r"h\.example/hidden-HASH\.png"),
        ("https://h.example/-rf", r"h\.example/rf-HASH"),
        ("https://h.example/Größe%2F%00衬衫.webp", r"h\.example/Gr-e-HASH\.webp"),
        ("https://[2606:4700::1]/a.gif", r"2606_4700_1/a-HASH\.gif"),
        (f"https://h.example/{'x' * 500}.tif", rf"h\.example/{'x' * 60}-HASH\.tif"),
        ("https://h.example/a.jpg.exe", r"h\.example/a\.jpg\.exe-HASH"),
    ],
)
def test_names_are_readable_and_safe(url: str, is_: str) -> None:
    """The end of the path can be read in the name; nothing in it leads out, hides, or ends as a program."""
    assert re.fullmatch(is_.replace("HASH", "[0-9a-f]{16}"), name(parse(url)))


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=30))
def test_names_tell_paths_apart(one: str, other: str, query: str) -> None:
    """Two paths have two names, also where letters' case is lost; a query changes nothing, but with `query`."""
    try:
        first, second, asked = (
            parse(f"https://h/{text}") for text in (one, other, f"{one.split('?', maxsplit=1)[0]}?{query}")
        )
    except FetchError:
        return
    for url in (first, second):
        assert re.fullmatch(r"h/[A-Za-z0-9_][A-Za-z0-9._-]{0,100}", name(url))
    assert (name(first).lower() == name(second).lower()) == (first.path == second.path)
    if asked.path == first.path:
        assert name(asked) == name(first)
        assert (name(asked, query=True) == name(first, query=True)) == (asked.query == first.query)
