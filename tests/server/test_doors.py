"""By which names, pages and addresses a server is asked; how often; and which settings go together."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twinset.errors import RequestError, UsageError
from twinset.server.hosts import Doors
from twinset.server.turnstile import Turnstile
from twinset.settings import ServeSettings

KEY, ADMIN = "k" * 16, "a" * 16
LOCAL = Doors.of(ServeSettings())


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8000", "localhost."]
)
def test_names_of_this_machine_pass(host: str) -> None:
    """With and without a port, in any case, with the final dot of a full name."""
    LOCAL.check_host([host])


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["localhost", "localhost"],
        ["evil.example"],
        ["localhost.evil.example"],
        ["evil.example:localhost"],
        ["localhost@evil.example"],
        ["evil.example/localhost"],
        ["localhost:port"],
        ["localhost:"],
        ["127.0.0.1.evil.example"],
        ["127.1"],
        ["0.0.0.0"],
        ["[::1"],
        ["::1"],
        ["localhost\t"],
        ["localhost, evil.example"],
    ],
)
def test_other_names_are_refused(hosts: list[str]) -> None:
    """A page may bind its own name to this machine's address: nothing but our names passes."""
    with pytest.raises(RequestError, match="not reached by that name") as refused:
        LOCAL.check_host(hosts)
    assert (refused.value.code, refused.value.http_status) == ("wrong_host", 421)


@given(st.text(max_size=60))
@example("localhost")
def test_no_other_text_is_a_name(host: str) -> None:
    """Whatever passes is one of ours, with at most a port and a dot behind it."""
    try:
        LOCAL.check_host([host])
    except RequestError:
        return
    name = (
        host.lower().rsplit(":", 1)[0]
        if host.lower().startswith("[") is False
        else host.lower().partition("]")[0] + "]"
    )
    assert name.rstrip(".") in LOCAL.names


def test_a_server_for_others_has_its_own_names_alone() -> None:
    """Bound to every address it is reached by the names that are allowed, not by those of this machine."""
    doors = Doors.of(ServeSettings(host="0.0.0.0", public=True, allow_host=("shop.example",)))
    doors.check_host(["shop.example:443"])
    assert not Doors.of(ServeSettings(host="0::0", public=True)).names
    for other in ("localhost", "0.0.0.0", "127.0.0.1"):
        with pytest.raises(RequestError, match="not reached by that name"):
            doors.check_host([other])


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9000"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_pages_elsewhere_may_change_nothing(headers: dict[str, str]) -> None:
    """Told by the browser's own headers; reading is left to CORS."""
    asked = {"host": "localhost:8000"} | headers
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        with pytest.raises(RequestError, match="page of another site") as refused:
            LOCAL.check_site(method, asked)
        assert refused.value.code == "cross_site"
    assert LOCAL.check_site("GET", asked) is None


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://localhost:8000"}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}],
)
def test_own_pages_and_programs_may(headers: dict[str, str]) -> None:
    """A program sends neither header; our own page sends its own origin."""
    assert LOCAL.check_site("POST", {"host": "localhost:8000"} | headers) is None


def test_an_allowed_page_may_search() -> None:
    """Its origin is given back, to be told to the browser."""
    doors = Doors.of(ServeSettings(allow_origin=("https://shop.example",)))
    headers = {"host": "localhost", "origin": "https://shop.example", "sec-fetch-site": "cross-site"}
    assert doors.check_site("POST", headers) == "https://shop.example"
    with pytest.raises(RequestError, match="page of another site"):
        doors.check_site("POST", headers | {"origin": "https://shop.example.evil.example"})


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.5:5000", "203.0.113.5"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1:80, 10.0.0.2:81", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:5000", "2001:db8::/64"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::/64"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::/64"),
        ("10.0.0.1", "[::ffff:203.0.113.5]:5000", "203.0.113.5"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.5:port", "10.0.0.1"),
        ("10.0.0.1", "[203.0.113.5", "10.0.0.1"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
    ],
)
def test_who_asks(peer: str, forwarded: str | None, counted: str) -> None:
    """A header counts only from a trusted proxy, read from its end; IPv6 customers have a network each."""
    doors = Doors.of(ServeSettings(trusted_proxy=("10.0.0.0/8",)))
    assert doors.client(peer, forwarded) == counted


def test_a_proxy_that_names_no_address_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """All who come by it share one rate: the log says so, once, and with nobody's address."""
    doors = Doors.of(ServeSettings(trusted_proxy=("10.0.0.0/8",)))
    doors.client("203.0.113.9", "unknown")
    doors.client("10.0.0.1", "198.51.100.1:5000")
    assert not caplog.records
    for _ in range(3):
        doors.client("10.0.0.1", "unknown")
    (record,) = caplog.records
    assert "X-Forwarded-For names no address" in record.getMessage()
    assert "unknown" not in record.getMessage()


class Clock:
    """Seconds as a test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_address_asks_so_often_a_minute() -> None:
    """A minute's worth at once, then steadily; each address for itself; the admin as he likes."""
    clock = Clock()
    settings = ServeSettings(host="0.0.0.0", public=True, rate=6, admin_key=ADMIN)
    gate = Turnstile(settings, clock)
    for _ in range(6):
        gate.count("198.51.100.1", None)
    with pytest.raises(RequestError, match="6 times a minute") as refused:
        gate.count("198.51.100.1", None)
    assert refused.value.after is not None
    assert 1 <= refused.value.after <= 11
    gate.count("198.51.100.2", None)
    gate.count("198.51.100.1", ADMIN)
    clock.now += refused.value.after
    gate.count("198.51.100.1", None)
    with pytest.raises(RequestError, match="6 times a minute"):
        gate.count("198.51.100.1", None)


def test_so_many_searches_a_day_whoever_asks() -> None:
    """Then none until a day after the first."""
    clock = Clock()
    gate = Turnstile(ServeSettings(key=KEY, quota=3), clock)
    clock.now += 5000
    for _ in range(3):
        gate.count("1.1.1.1", KEY)
    with pytest.raises(RequestError, match="3 searches are used up") as refused:
        gate.count("2.2.2.2", KEY)
    assert refused.value.after == 86_401
    clock.now += 86_400
    gate.count("1.1.1.1", KEY)


def test_keys() -> None:
    """The search key searches, the admin's does both; none, another or a longer one does nothing."""
    gate = Turnstile(ServeSettings(key=KEY, admin_key=ADMIN))
    for key in (KEY, ADMIN):
        gate.check_key(key)
    gate.check_admin(ADMIN)
    for wrong in (None, "", KEY[:-1], KEY + "k", "ключ" * 4, ADMIN[:-1]):
        with pytest.raises(RequestError, match="is needed"):
            gate.check_key(wrong)
        with pytest.raises(RequestError, match="admin key is needed"):
            gate.check_admin(wrong)
    with pytest.raises(RequestError, match="admin key is needed"):
        gate.check_admin(KEY)
    with pytest.raises(RequestError, match="nobody change"):
        Turnstile(ServeSettings()).check_admin(ADMIN)
    Turnstile(ServeSettings()).check_key(None)


NO_HOSTS = ("", "0", "00", "127.1", "0x7f000001", "1.0x0", "[0]", "[]", "*", " ", "shop example", "shop.example:80")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "can be reached from other machines"),
        ({"host": "shop.example"}, "can be reached from other machines"),
        ({"host": "::"}, "can be reached from other machines"),
        *(({"host": host, "public": True}, "host is") for host in NO_HOSTS),
        ({"key": "short"}, "key is not safe"),
        ({"key": "with blanks in its midst"}, "key is not safe"),
        ({"key": KEY, "admin_key": KEY}, "are the same"),
        ({"port": 70_000}, "port is 70000"),
        ({"queue": 0}, "queue is 0"),
        ({"allow_host": ("https://shop.example",)}, "allow_host is"),
        ({"allow_origin": ("*",)}, "allow_origin is"),
        ({"allow_origin": ("https://shop.example/",)}, "allow_origin is"),
        ({"trusted_proxy": ("anybody",)}, "trusted_proxy is"),
    ],
)
def test_settings_that_are_refused(given: dict[str, object], said: str) -> None:
    """Out of range, unsafe, or not going together."""
    with pytest.raises(UsageError, match=said):
        ServeSettings(**given)


@pytest.mark.parametrize("host", ["Shop.example", "h2o", "shop4.example", "0.0.0.0", "[::]", "fe80::1"])
def test_hosts_that_are_named(host: str) -> None:
    """An address or a name, and nothing that the system takes for another."""
    assert not ServeSettings(host=host, public=True).loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_a_loopback_address_needs_no_key(host: str) -> None:
    """Nobody else reaches it."""
    assert ServeSettings(host=host).loopback
