"""Servers on loopback addresses that tests are run against."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest

from foreshift import _wire

# LiteLLM would fetch its prices from the network.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

# Nothing in these tests takes long; what does is stuck.
STUCK_S = 20.0


def eventually(what: str, look: Callable[[], Any]) -> Any:
    """Looks until it is so; fails when it is not so in time."""
    until = time.monotonic() + STUCK_S
    while True:
        if found := look():
            return found
        assert time.monotonic() < until, what
        time.sleep(0.005)


def weights(sequence: int, *, mode: int = _wire.MODE_AUTO, valid_until_s: int = 1_000, **shares: int) -> Any:
    """Weights of the route `api` by target; at rest each target has half."""
    message = _wire.Weights(route="api", mode=mode, valid_until_unix_us=valid_until_s * 1_000_000)
    message.version.epoch, message.version.sequence = 1, sequence
    for target, share in shares.items():
        message.targets.add(target=target, baseline_bp=5_000, weight_bp=share)
    return message


class Foreshift:
    """The weights that a test publishes, and the reports that clients sent."""

    def __init__(self, address: str = "127.0.0.1:0") -> None:
        self.reports: list[Any] = []
        self.metadata: list[tuple[str, str]] = []
        self.routes: dict[str, Any] = {}
        self._streams: list[queue.Queue[Any]] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        handlers = {
            "WatchRouteWeights": grpc.unary_stream_rpc_method_handler(
                self._watch, _wire.WatchRequest.FromString, _wire.WatchResponse.SerializeToString
            ),
            "ReportApplied": grpc.unary_unary_rpc_method_handler(
                self._report, _wire.ReportRequest.FromString, _wire.ReportResponse.SerializeToString
            ),
        }
        name = _wire.SERVICE.removeprefix("/")
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port(address)}"
        self._server.start()

    def publish(self, message: Any) -> None:
        self.routes[message.route] = message
        self.send(_wire.WatchResponse(routes=[message]))

    def send(self, message: Any) -> None:
        for stream in self._streams:
            stream.put(message)

    def stop(self) -> None:
        self.send(None)
        self._server.stop(0).wait()

    def _watch(self, request: Any, context: Any) -> Iterator[Any]:
        self.metadata = list(context.invocation_metadata())
        stream: queue.Queue[Any] = queue.Queue()
        self._streams.append(stream)
        wanted = [message for route, message in self.routes.items() if route in request.routes]
        yield _wire.WatchResponse(snapshot=True, snapshot_complete=True, routes=wanted)
        while (message := stream.get()) is not None:
            yield message

    def _report(self, request: Any, _: Any) -> Any:
        self.reports.extend((request.gateway, report) for report in request.reports)
        return _wire.ReportResponse(accepted=len(request.reports))


@pytest.fixture
def foreshift() -> Iterator[Foreshift]:
    server = Foreshift()
    yield server
    server.stop()


class Upstream:
    """A provider with OpenAI's interface that answers with its name, or with a failure."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                upstream.asked += 1
                self._answer(*upstream.answer(request))

            def _answer(self, kind: str, body: bytes) -> None:
                self.send_response(upstream.status)
                for key, value in {"content-type": kind, **upstream.headers}.items():
                    self.send_header(key, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, request: dict[str, Any]) -> tuple[str, bytes]:
        if self.status != 200:
            return "application/json", json.dumps({"error": {"message": "no", "type": "server_error"}}).encode()
        base = {"id": "1", "created": 1, "model": "demo"}
        if request.get("stream"):
            pieces = [{"content": self.name}, {}]
            chunks = [
                {**base, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": piece, "finish_reason": end}]}
                for piece, end in zip(pieces, (None, "stop"))
            ]
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
            return "text/event-stream", ("".join(lines) + "data: [DONE]\n\n").encode()
        message = {"role": "assistant", "content": self.name}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {**base, "object": "chat.completion", "choices": choices, "usage": usage}
        return "application/json", json.dumps(body).encode()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstreams() -> Iterator[dict[str, Upstream]]:
    both = {name: Upstream(name) for name in ("eu", "us")}
    yield both
    for upstream in both.values():
        upstream.stop()
