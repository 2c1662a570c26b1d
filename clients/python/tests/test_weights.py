"""What holds, and when."""

from __future__ import annotations

from collections import Counter

import pytest
from conftest import STUCK_S, Foreshift, eventually, weights

from foreshift import Backoff, RouteWeights, _wire

OWN = {"eu": 1, "us": 1}


class Clock:
    def __init__(self) -> None:
        self.now_s = 950.0

    def __call__(self) -> float:
        return self.now_s


def client(server: Foreshift, clock: Clock, **more: object) -> RouteWeights:
    return RouteWeights(
        f"http://{server.address}",
        {"api": OWN},
        gateway="edge-1",
        clock=clock,
        backoff=Backoff(0.01, 0.05),
        timeout_s=STUCK_S,
        **more,
    )


def test_weights_are_followed_and_what_was_applied_is_reported(foreshift: Foreshift) -> None:
    mine = client(foreshift, Clock(), token="secret")
    assert mine.shares("api") == OWN
    foreshift_sees_it = lambda: ("authorization", "Bearer secret") in [tuple(item) for item in foreshift.metadata]
    eventually("the token is shown", foreshift_sees_it)
    foreshift.publish(weights(1, eu=9_000, us=1_000))
    eventually("weights are followed", lambda: mine.shares("api") == {"eu": 9_000, "us": 1_000})
    foreshift.publish(weights(2, eu=0, us=10_000))
    eventually("changes are followed", lambda: mine.shares("api") == {"eu": 0, "us": 10_000})
    assert {mine.pick("api") for _ in range(100)} == {"us"}
    told = eventually("it is reported", lambda: [r for r in foreshift.reports if r[1].version.sequence == 2])
    assert told[0][0] == "edge-1" and told[0][1].error == ""
    assert mine.problem is None
    mine.close()


def test_own_shares_hold_when_the_weights_are_no_longer_valid(foreshift: Foreshift) -> None:
    clock = Clock()
    mine = client(foreshift, clock)
    foreshift.publish(weights(1, eu=9_000, us=1_000))
    foreshift.send(_wire.WatchResponse(routes=[weights(1, eu=9_000, us=1_000)]))
    eventually("weights are followed", lambda: mine.steered("api"))
    foreshift.stop()
    eventually("that it is gone is told", lambda: mine.problem)
    assert mine.steered("api"), "they are valid still"
    clock.now_s = 1_000.0
    assert mine.steered("api") is None and mine.shares("api") == OWN
    mine.close()


def test_it_connects_again_and_takes_what_holds_then(foreshift: Foreshift) -> None:
    mine = client(foreshift, Clock())
    foreshift.publish(weights(7, eu=9_000, us=1_000))
    eventually("weights are followed", lambda: mine.steered("api"))
    foreshift.stop()
    again = Foreshift(foreshift.address)
    eventually("a route that is gone is left to its own shares", lambda: mine.steered("api") is None)
    # A server that lost its state counts from the beginning.
    again.publish(weights(0, eu=2_500, us=7_500))
    eventually("weights are followed again", lambda: mine.steered("api") == {"eu": 2_500, "us": 7_500})
    again.send(_wire.WatchResponse(removed_routes=["api"]))
    eventually("a route that is gone is left to its own shares", lambda: mine.steered("api") is None)
    mine.close()
    again.stop()


def test_in_shadow_own_shares_hold_unless_a_person_fixed_others(foreshift: Foreshift) -> None:
    mine = client(foreshift, Clock())
    foreshift.publish(weights(1, mode=2, eu=5_000, us=5_000))
    eventually("it is reported", lambda: foreshift.reports)
    assert mine.steered("api") is None
    foreshift.publish(weights(2, mode=2, eu=0, us=10_000))
    eventually("a pin is followed", lambda: mine.steered("api") == {"eu": 0, "us": 10_000})
    mine.close()


def test_weights_that_cannot_be_applied_are_refused_by_name(foreshift: Foreshift) -> None:
    mine = client(foreshift, Clock())
    foreshift.publish(weights(1, eu=9_000, us=1_000))
    eventually("weights are followed", lambda: mine.steered("api"))
    foreshift.publish(weights(2, eu=9_000, mars=1_000))
    foreshift.publish(weights(3, eu=9_000, us=1))
    told = eventually("both are refused", lambda: len(r := [r for _, r in foreshift.reports if r.error]) == 2 and r)
    errors = {report.version.sequence: report.error for report in told}  # reports may overtake each other
    assert "'mars' is not known" in errors[2] and "sum to 9001" in errors[3]
    assert mine.shares("api") == {"eu": 9_000, "us": 1_000}
    mine.close()


def test_targets_are_picked_as_often_as_their_shares_say(foreshift: Foreshift) -> None:
    mine = client(foreshift, Clock())
    foreshift.publish(weights(1, eu=9_000, us=1_000))
    eventually("weights are followed", lambda: mine.steered("api"))
    picked = Counter(mine.pick("api") for _ in range(20_000))
    # Fifteen standard deviations.
    assert 1_360 < picked["us"] < 2_640, picked
    assert mine.pick("unknown") is None
    mine.close()


@pytest.mark.parametrize(
    ("server", "routes"),
    [
        ("http://127.0.0.1:1", {}),
        ("http://127.0.0.1:1", {"api": {"eu": 0}}),
        ("http://127.0.0.1:1", {"api": {"eu": -1, "us": 2}}),
        ("ftp://127.0.0.1:1", {"api": OWN}),
        ("", {"api": OWN}),
    ],
)
def test_what_cannot_work_is_refused_at_once(server: str, routes: dict[str, dict[str, int]]) -> None:
    with pytest.raises(ValueError):
        RouteWeights(server, routes)
