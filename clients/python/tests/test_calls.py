"""What Foreshift is told of LiteLLM's calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import litellm
import pytest
from conftest import Upstream, eventually
from litellm import Router
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from foreshift import _calls
from foreshift.litellm import ForeshiftLogger

MESSAGES = [{"role": "user", "content": "who are you?"}]


class Receiver:
    """Takes what it is sent."""

    def __init__(self, address: str = "127.0.0.1:0") -> None:
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        self.records: list[Any] = []
        receiver = self

        class Traces(trace_service_pb2_grpc.TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                for resource in request.resource_spans:
                    receiver.spans += [span for scope in resource.scope_spans for span in scope.spans]
                return trace_service_pb2.ExportTraceServiceResponse()

        class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                for resource in request.resource_metrics:
                    receiver.metrics += [metric for scope in resource.scope_metrics for metric in scope.metrics]
                return metrics_service_pb2.ExportMetricsServiceResponse()

        class Logs(logs_service_pb2_grpc.LogsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                for resource in request.resource_logs:
                    receiver.records += [record for scope in resource.scope_logs for record in scope.log_records]
                return logs_service_pb2.ExportLogsServiceResponse()

        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), self.server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), self.server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port(address)}"
        self.server.start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.stop(0).wait()


@pytest.fixture
def logger(receiver: Receiver) -> Iterator[ForeshiftLogger]:
    logger = ForeshiftLogger(f"http://{receiver.address}", routes={"gpt": "api"})
    litellm.callbacks.append(logger)
    yield logger
    # LiteLLM keeps copies of the list.
    litellm.logging_callback_manager._reset_all_callbacks()
    logger.close()


def router_of(upstream: Upstream) -> Router:
    deployment = {
        "model_name": "gpt",
        "litellm_params": {
            "model": "openai/demo",
            "api_base": f"http://127.0.0.1:{upstream.port}/v1",
            "api_key": "none",
            "max_retries": 0,
        },
        "model_info": {"foreshift_target": "eu"},
    }
    return Router(model_list=[deployment], num_retries=0)


def named(attributes: Any) -> dict[str, Any]:
    return {attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value")) for attribute in attributes}


async def streamed(router: Router) -> None:
    answer = await router.acompletion(model="gpt", messages=MESSAGES, stream=True)
    async for _ in answer:
        pass
    # LiteLLM tells its callbacks a little later, in the same loop.
    await asyncio.sleep(1)


async def asked(router: Router) -> None:
    try:
        await router.acompletion(model="gpt", messages=MESSAGES)
    finally:
        await asyncio.sleep(1)


def test_every_call_is_told_once(receiver: Receiver, logger: ForeshiftLogger, upstreams: dict[str, Upstream]) -> None:
    router = router_of(upstreams["eu"])
    upstreams["eu"].headers = {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "25"}
    router.completion(model="gpt", messages=MESSAGES)
    asyncio.run(asked(router))
    asyncio.run(streamed(router))
    eventually("all are told", lambda: len(receiver.spans) >= 3)
    logger.close()
    assert len(receiver.spans) == 3, [span.name for span in receiver.spans]
    for span in receiver.spans:
        told = named(span.attributes)
        assert (told["foreshift.target"], told["foreshift.route"]) == ("eu", "api")
        assert told["gen_ai.provider.name"] == "openai" and "error.type" not in told
        assert span.kind == 3 and span.end_time_unix_nano > span.start_time_unix_nano
    firsts = [named(span.attributes).get("gen_ai.response.time_to_first_chunk") for span in receiver.spans]
    assert len([first for first in firsts if first is not None]) == 1, firsts
    quotas = [(metric.name, metric.gauge.data_points[0]) for metric in receiver.metrics]
    assert {name for name, _ in quotas} == {"quota_requests"}
    assert quotas[0][1].as_double == 75 and named(quotas[0][1].attributes)["foreshift.limit"] == 100
    assert receiver.records == []


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [(429, {"retry-after": "7"}, "RateLimitError"), (500, {}, "InternalServerError"), (401, {}, "AuthenticationError")],
)
def test_a_failure_is_told_once_with_its_status_and_class(
    receiver: Receiver,
    logger: ForeshiftLogger,
    upstreams: dict[str, Upstream],
    status: int,
    headers: dict[str, str],
    kind: str,
) -> None:
    upstreams["eu"].status, upstreams["eu"].headers = status, headers
    with pytest.raises(Exception):
        asyncio.run(asked(router_of(upstreams["eu"])))
    eventually("it is told", lambda: receiver.spans and receiver.records)
    logger.close()
    assert len(receiver.spans) == len(receiver.records) == 1
    told = named(receiver.spans[0].attributes)
    assert (told["http.response.status_code"], told["error.type"]) == (str(status), kind)
    assert told.get("http.response.header.retry-after") == headers.get("retry-after")
    assert receiver.records[0].body.string_value == kind
    assert MESSAGES[0]["content"] not in str(receiver.spans) + str(receiver.records)


def test_no_connection_is_told_as_such(receiver: Receiver, logger: ForeshiftLogger, upstreams: dict[str, Upstream]) -> None:
    router = router_of(upstreams["eu"])
    upstreams["eu"].stop()
    with pytest.raises(Exception):
        asyncio.run(asked(router))
    eventually("it is told", lambda: receiver.spans)
    logger.close()
    told = named(receiver.spans[0].attributes)
    assert told["foreshift.outcome"] == "connect_failure", told


def test_calls_wait_for_a_receiver_that_is_gone_and_the_oldest_are_dropped(
    monkeypatch: pytest.MonkeyPatch, upstreams: dict[str, Upstream]
) -> None:
    monkeypatch.setattr(_calls, "_MAX_WAITING", 3)
    gone = Receiver()
    gone.server.stop(0).wait()
    logger = ForeshiftLogger(gone.address)
    for second in range(5):
        call = {"startTime": float(second), "endTime": second + 0.5, "model_id": "eu", "status": "success"}
        logger.log_success_event({"standard_logging_object": call}, None, None, None)
    back = Receiver(gone.address)
    eventually("those that wait are told", lambda: len(back.spans) == 3)
    assert logger.dropped == 2
    assert [span.end_time_unix_nano for span in back.spans] == [2_500_000_000, 3_500_000_000, 4_500_000_000]
    logger.close()
    back.server.stop(0).wait()


def test_what_no_deployment_was_asked_for_is_not_told() -> None:
    call = {"startTime": 1.0, "endTime": 2.0, "status": "success"}
    assert _calls._call({"standard_logging_object": call}, {}) is None
    cached = {**call, "model_id": "eu", "cache_hit": True}
    assert _calls._call({"standard_logging_object": cached}, {}) is None
