"""What a request leaves behind: its id, a line in the log, a row in the audit; and what it must not leave."""

from contextlib import closing

import pytest
import structlog
from databases import left_in
from many_people import GATEWAY, OUTSIDE, USER

from catchment.serve.rights import peer_of
from catchment.store.audit import Asked, find

PUBLIC, PRIVATE, WRITING = "/v1/demo/bars", "/v1/demo/notes", "/own/things"


@pytest.fixture
def log():
    """The lines that are logged, as a list of dicts."""
    lines = structlog.testing.LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, lines])
    yield lines.entries
    structlog.configure(**before)


def told(service):
    with closing(service.database.open()) as sql:
        return [entry for entry in reversed(find(sql, Asked())) if not entry.action.startswith("key-")]


# -- the request's id ----------------------------------------------------------------------------------------------


def test_an_id_is_kept_if_it_is_one(service):
    good, bad = ["a", "A-z_0", "x" * 64], ["x" * 65, "", "a b", "a\tb", "é", "a,b"]
    for given in (*good, *bad):
        answer = service.client().get("/nothing", headers={"x-request-id": given.encode("latin-1")})
        assert (answer.headers["x-request-id"] == given) is (given in good)
        assert answer.headers["x-request-id"] == answer.json()["trace_id"]
        assert 1 <= len(answer.headers["x-request-id"]) <= 64


def test_every_answer_has_an_id_of_its_own(service):
    etag = service.ask(PUBLIC).headers["etag"]
    answers = [
        *(
            service.ask(url)
            for url in (PUBLIC, PUBLIC, PRIVATE, "/health/live", "/openapi.json", "/", "/nothing", "/own/broken")
        ),
        *(service.ask(PUBLIC, method=method) for method in ("HEAD", "OPTIONS", "POST")),
        service.ask(PUBLIC, if_none_match=etag),
        service.ask(PUBLIC, host="evil.example"),
        service.ask(PUBLIC, "ck_bad"),
        service.ask(f"{PUBLIC}?{'a' * 17000}"),
    ]
    assert {answer.status_code for answer in answers} == {200, 204, 302, 304, 400, 401, 404, 405, 414, 500}
    ids = [answer.headers.get_list("x-request-id") for answer in answers]
    assert [len(each) for each in ids] == [1] * len(answers)
    assert len({each[0] for each in ids}) == len(answers)


def test_header_problem_and_log_have_one_id_and_the_user(service, log):
    key = service.key("read")
    broken = service.ask("/own/broken", key, x_request_id="trace-1")
    denied = service.ask(WRITING, key, method="POST", x_request_id="trace-2")
    service.ask(WRITING, peer=GATEWAY, method="POST", user_id=USER.upper(), x_request_id="trace-3")
    nobody = service.ask(WRITING, method="POST", x_request_id="trace-4")
    assert [answer.json()["trace_id"] for answer in (broken, denied, nobody)] == ["trace-1", "trace-2", "trace-4"]
    assert [(line["event"], line["request_id"], line["user"]) for line in log] == [
        ("unexpected error", "trace-1", USER),
        ("request", "trace-1", USER),
        ("denied", "trace-2", USER),
        ("request", "trace-2", USER),
        ("request", "trace-3", USER),
        ("denied", "trace-4", ""),
        ("request", "trace-4", ""),
    ]


# -- the audit -----------------------------------------------------------------------------------------------------


def test_what_is_denied_is_in_the_audit_and_reading_is_not(service, log):
    key, dead = service.key("read"), service.key("write")
    service.revoke(dead)
    service.ask(PUBLIC)
    service.ask(PRIVATE)
    service.ask(PUBLIC, key)
    service.ask(WRITING, method="POST", x_request_id="r1")
    service.ask(WRITING, key, method="POST", x_request_id="r2")
    service.ask(PUBLIC, dead, x_request_id="r3")
    service.ask(WRITING, key, peer=GATEWAY, method="POST", user_id=USER.replace("0", "1"), x_request_id="r4")
    rows = [(entry.action, entry.object, entry.principal, entry.key_id, entry.request_id) for entry in told(service)]
    assert rows == [
        ("post", WRITING, "", "", "r1"),
        ("post", WRITING, USER, key.split("_")[1], "r2"),
        ("authenticate", PUBLIC, "", dead.split("_")[1], "r3"),
        ("authenticate", WRITING, "", "", "r4"),
    ]
    assert {entry.result for entry in told(service)} == {"denied"}


def test_a_denial_that_cannot_be_audited_is_a_denial(service, store, log):
    store.db.execute("DROP TABLE _audit")
    assert service.ask(WRITING, method="POST", x_request_id="r").status_code == 401
    assert [(line["event"], line["request_id"]) for line in log] == [
        ("denied", "r"),
        ("a denial is not in the audit", "r"),
        ("request", "r"),
    ]


def test_a_use_that_cannot_be_noted_is_served(service, store, refusing, log):
    """Advisory A15: a fault in the background is logged, and the process lives."""
    key = service.key("read")
    refusing(store.db, "BEFORE UPDATE", "_api_key", "NEW.id IS NOT NULL")
    assert service.ask(PRIVATE, key).status_code == 200
    service.settle()
    assert [line["event"] for line in log] == ["last use of a key is not stored"]


def test_no_secret_is_left_anywhere(service, log, capsys):
    """Canary: keys that work, that do not, in headers, paths and queries; then every place that could hold them."""
    service.fronts.insert(0, service.start({"CATCHMENT_LIMIT_FAILED_KEYS": "off", "CATCHMENT_LIMIT_ANONYMOUS": "off"}))
    good, dead = service.key("read"), service.key("write")
    service.revoke(dead)
    wrong = f"ck_{good.split('_')[1]}_{dead.split('_')[2][::-1]}"
    answers = []
    for key in (good, dead, wrong, good.upper(), f"{good}x"):
        for method in ("GET", "POST"):
            answers += [service.ask(url, key, method=method) for url in (PUBLIC, WRITING, "/own/broken")]
            answers.append(service.ask(f"/own/things?key={key}", method=method))
        answers.append(service.ask(WRITING, x_api_key=key, method="POST"))
        answers.append(service.ask(f"{WRITING}/{key}", method="DELETE"))
        answers.append(service.ask(f"/own/{key}", key, method="DELETE"))
    assert {answer.status_code for answer in answers} >= {200, 400, 401, 403, 404, 500}
    left = left_in(service.database)
    left += str(log).encode() + str(capsys.readouterr()).encode() + repr(service.fronts[0]._rights.ring._known).encode()
    for answer in answers:
        if "/ck_" not in str(answer.url).lower():  # a path is told back to whom it came from
            left += answer.content + str(answer.headers).encode()
    for key in (good, dead, wrong):
        assert key.split("_")[2].encode() not in left
        assert key.split("_")[2].upper().encode() not in left
    assert USER.encode() in left


# -- limits --------------------------------------------------------------------------------------------------------


def test_nobody_asks_too_often(service):
    assert [service.ask(PUBLIC).status_code for _ in range(50)] == [200] * 50
    refused = service.ask(PUBLIC)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/too-many-requests")
    assert (refused.headers["retry-after"], refused.headers["ratelimit-policy"]) == ("1", '"anonymous";q=50;w=5')
    assert service.ask(PUBLIC, peer="192.0.2.8").status_code == 200
    assert service.ask(PUBLIC, service.key("read")).status_code == 200
    service.ticks.seconds += 0.1
    assert [service.ask(PUBLIC).status_code for _ in range(2)] == [200, 429]


def test_this_machine_reads_without_limit(service):
    client = service.client("127.0.0.1")
    assert {client.get(PUBLIC).status_code for _ in range(120)} == {200}


def test_writes_have_a_limit_of_their_own(service):
    key = service.key("write")
    assert [service.ask(WRITING, key, method="POST").status_code for _ in range(21)] == [201] * 20 + [429]
    assert service.ask(PUBLIC, key).status_code == 200
    service.ticks.seconds += 0.2
    assert service.ask(WRITING, key, method="POST").status_code == 201


def test_wrong_keys_are_limited_by_peer_and_right_ones_still_work(service):
    key = service.key("read")
    assert [service.ask(PUBLIC, "ck_bad").status_code for _ in range(7)] == [401] * 5 + [429] * 2
    assert service.ask(PUBLIC, "ck_bad", peer="127.0.0.1").status_code == 401
    assert service.ask(PUBLIC, key).status_code == 200
    assert len(told(service)) == 6  # what is refused for its number fills no audit
    service.ticks.seconds += 12
    assert [service.ask(PUBLIC, "ck_bad").status_code for _ in range(2)] == [401, 429]


def test_a_client_cannot_choose_by_what_it_is_counted(service):
    """Advisory A12: a limit whose key is taken from the request."""
    for number in range(50):
        other = {"x_forwarded_for": f"10.0.0.{number}", "user_id": f"{number:08x}-0000-4000-8000-000000000001"}
        service.ask(
            f"{PUBLIC}?limit={number + 1}", **other, x_real_ip=f"10.1.0.{number}", forwarded=f"for=10.2.0.{number}"
        )
    assert service.ask(PUBLIC, x_forwarded_for="10.9.9.9").status_code == 429


PEERS = {
    "outside": (OUTSIDE, "", OUTSIDE),
    "outside says so itself": (OUTSIDE, "10.0.0.1", OUTSIDE),
    "gateway says": (GATEWAY, "10.0.0.1", "10.0.0.1"),
    "gateway adds at the end": (GATEWAY, "1.2.3.4, 10.0.0.1", "10.0.0.1"),
    "gateway says nothing": (GATEWAY, "", GATEWAY),
    "gateway says nonsense": (GATEWAY, "10.0.0.1, unknown", GATEWAY),
    "one network of IPv6 is one client": ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
    "mapped": (f"::ffff:{OUTSIDE}", "", OUTSIDE),
}


@pytest.mark.parametrize(("peer", "told", "counted"), PEERS.values(), ids=PEERS.keys())
def test_by_what_a_peer_is_counted(service, peer, told, counted):
    scope = {"client": (peer, 1), "headers": [(b"x-forwarded-for", told.encode())] if told else []}
    assert peer_of(scope, service.fronts[0]._rights.gateways) == counted
    assert peer_of({"client": None, "headers": []}, ()) == "unknown"


def test_settings_change_the_limits(service):
    client = service.client(OUTSIDE, CATCHMENT_LIMIT_ANONYMOUS="1/minute,2")
    assert [client.get(PUBLIC).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get(PUBLIC).headers["retry-after"] == "60"
