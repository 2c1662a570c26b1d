"""Watches route weights in a background thread."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from . import _wire

# All weights of a route sum to this.
_FULL_BP = 10_000
# The most reports in one call, as the server accepts.
_MAX_REPORTS = 1_000
# The largest message taken, in bytes: 500 routes with many targets each.
_MAX_MESSAGE_BYTES = 64 << 20


@dataclass(frozen=True)
class Backoff:
    """The wait before connecting again doubles from `first_s` to `most_s`, and begins anew after a connection that
    served. A random part of up to half is left out, so that clients do not come all at once."""

    first_s: float = 0.2
    most_s: float = 10.0


@dataclass(frozen=True)
class _Heard:
    """Weights that may be in force. It is replaced whole, so readers need no lock."""

    shares: Mapping[str, int]
    valid_until_s: float


class RouteWeights:
    """The shares of the targets of your routes: Foreshift's as long as they are valid, and yours else.

    Foreshift's are in force until their `valid_until`, for routes in mode `auto` or with weights that a person fixed.
    Before the first message, in shadow, and when Foreshift is gone for longer than its weights are valid, the shares in
    `routes` hold. It starts at once, never makes a caller wait, and connects again by itself.

    `routes`: by name of route, the shares of its targets at rest, in any unit. A route whose shares are empty takes
    whatever targets Foreshift names, and has no shares at rest.
    `server`: `listen.grpc` of Foreshift, such as `http://127.0.0.1:7400`, or `https://...` with `credentials`.
    `gateway`: how this client is named in `foreshift status`.
    `clock`: seconds since the Unix epoch; it and Foreshift's should agree to a second or so.
    """

    def __init__(
        self,
        server: str,
        routes: Mapping[str, Mapping[str, int]],
        *,
        gateway: str = "",
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        timeout_s: float = 5.0,
        backoff: Backoff = Backoff(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not routes:
            raise ValueError("there is no route")
        for route, shares in routes.items():
            if any(share < 0 for share in shares.values()) or (shares and sum(shares.values()) == 0):
                raise ValueError(f"the shares of route {route!r} must not be negative, and not all 0")
        scheme, _, address = server.rpartition("://")
        if scheme not in ("", "http", "https") or not address:
            raise ValueError(f"{server!r} is no address of a server")
        if scheme == "https" and credentials is None:
            credentials = grpc.ssl_channel_credentials()
        self._address = address
        self._credentials = credentials if scheme == "https" else None
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._routes = {route: dict(shares) for route, shares in routes.items()}
        self._gateway = gateway
        self._timeout_s = timeout_s
        self._backoff = backoff
        self._clock = clock
        self._heard: dict[str, _Heard] = {}
        self._problem: str | None = None
        self._stopping = threading.Event()
        self._call: Any = None
        self._report_call: Any = None
        self._reports: set[Any] = set()
        self._snapshot: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="foreshift-weights", daemon=True)
        self._thread.start()

    def pick(self, route: str) -> str | None:
        """The target of the next request; `None` for a route without shares."""
        return draw(self.shares(route))

    def shares(self, route: str) -> Mapping[str, int]:
        """The targets with their shares in force: Foreshift's in basis points, or yours."""
        steered = self.steered(route)
        return self._routes.get(route, {}) if steered is None else steered

    def steered(self, route: str) -> Mapping[str, int] | None:
        """Foreshift's shares in basis points; `None` where they are not in force."""
        heard = self._heard.get(route)
        if heard is None or self._clock() >= heard.valid_until_s:
            return None
        return heard.shares

    @property
    def problem(self) -> str | None:
        """Why Foreshift cannot be heard at the moment; `None` while it can."""
        return self._problem

    def close(self) -> None:
        """Ends the watch; what was heard holds until it is no longer valid."""
        self._stopping.set()
        call = self._call
        if call is not None:
            call.cancel()
        self._thread.join(self._timeout_s)

    def _run(self) -> None:
        wait_s = self._backoff.first_s
        while not self._stopping.is_set():
            served = False
            try:
                for message in self._messages():
                    self._take(message)
                    self._problem = None
                    served = True
                self._problem = "the server ended the stream"
            except grpc.RpcError as error:
                self._problem = f"{error.details()} ({error.code().name})"
            if served:
                wait_s = self._backoff.first_s
            self._stopping.wait(wait_s * random.uniform(0.5, 1.0))
            wait_s = min(wait_s * 2, self._backoff.most_s)

    def _messages(self) -> Iterator[Any]:
        """One connection, to its end. What each message named is reported before the next one is awaited."""
        options = [
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            # Each attempt is one connection of its own: the wait between them is ours.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self._credentials is None:
            channel = grpc.insecure_channel(self._address, options)
        else:
            channel = grpc.secure_channel(self._address, self._credentials, options)
        with channel:
            watch = channel.unary_stream(
                f"{_wire.SERVICE}/WatchRouteWeights",
                request_serializer=_wire.WatchRequest.SerializeToString,
                response_deserializer=_wire.WatchResponse.FromString,
            )
            self._report_call = channel.unary_unary(
                f"{_wire.SERVICE}/ReportApplied",
                request_serializer=_wire.ReportRequest.SerializeToString,
                response_deserializer=_wire.ReportResponse.FromString,
            )
            self._snapshot = set()
            self._call = watch(_wire.WatchRequest(routes=sorted(self._routes)), metadata=self._metadata)
            if self._stopping.is_set():
                return
            yield from self._call

    def _take(self, message: Any) -> None:
        """Takes a message over. Within a stream versions only grow, and a new stream begins with what holds now, so each
        message holds as it comes."""
        for gone in message.removed_routes:
            self._heard.pop(gone, None)
        reports = []
        for weights in message.routes:
            if weights.route not in self._routes:
                continue
            error = self._hear(weights)
            reports.append(_wire.Report(route=weights.route, version=weights.version, error=error))
            if message.snapshot:
                self._snapshot.add(weights.route)
        if message.snapshot_complete:
            for route in self._routes.keys() - self._snapshot:
                self._heard.pop(route, None)
        self._report(reports)

    def _hear(self, weights: Any) -> str:
        """Takes weights over; why not, where they cannot be applied: those before go on until they are no longer valid."""
        shares = {target.target: target.weight_bp for target in weights.targets}
        if sum(shares.values()) != _FULL_BP:
            return f"the weights sum to {sum(shares.values())}, not to {_FULL_BP}"
        mine = self._routes[weights.route]
        for target, share in shares.items():
            if share > 0 and mine and target not in mine:
                return f"the target {target!r} is not known here"
        if _is_steered(weights):
            self._heard[weights.route] = _Heard(shares, weights.valid_until_unix_us / 1e6)
        else:
            self._heard.pop(weights.route, None)
        return ""

    def _report(self, reports: list[Any]) -> None:
        """Says what was applied. A report that is lost does no harm: the next version is reported again."""
        for first in range(0, len(reports), _MAX_REPORTS):
            request = _wire.ReportRequest(gateway=self._gateway, reports=reports[first : first + _MAX_REPORTS])
            call = self._report_call.future(request, timeout=self._timeout_s, metadata=self._metadata)
            # A call that nobody holds is cancelled.
            self._reports.add(call)
            call.add_done_callback(self._reports.discard)


def _is_steered(weights: Any) -> bool:
    """Only in mode auto do weights move by themselves; in others they do when a person fixed them."""
    return weights.mode == _wire.MODE_AUTO or any(
        target.weight_bp != target.baseline_bp for target in weights.targets
    )


def draw(shares: Mapping[str, int]) -> str | None:
    """One of these, as often as its share says; `None` when there is none with a share."""
    if sum(shares.values()) <= 0:
        return None
    return random.choices(list(shares), weights=list(shares.values()))[0]
