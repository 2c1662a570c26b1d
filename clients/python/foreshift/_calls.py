"""Tells Foreshift how each of LiteLLM's calls ended: a span each, a gauge for each quota, a log record for each failure."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import grpc
from litellm.integrations.custom_logger import CustomLogger
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

_LOG = logging.getLogger("foreshift")

# Calls that wait to be told; further ones push out the oldest. At some kB each, tens of MB at most.
_MAX_WAITING = 10_000
# Calls in one export: well below the size that a receiver takes.
_MAX_EXPORT = 500
# What is waited for more calls to go with one.
_FLUSH_S = 0.2
_TIMEOUT_S = 5.0

# Exceptions of LiteLLM, and of the HTTP clients beneath it, that say more than the status LiteLLM gives them.
_OUTCOMES = {
    "Timeout": "timeout",
    "APIConnectionError": "connect_failure",
    "MidStreamFallbackError": "truncated",
    "BudgetExceededError": "local",
    "ConnectError": "connect_failure",
    "ConnectTimeout": "connect_failure",
    "ClientConnectorError": "connect_failure",
    "ReadTimeout": "timeout",
    "ReadError": "reset",
    "RemoteProtocolError": "reset",
    "ServerDisconnectedError": "reset",
}
# What an exception came from is looked at so far down.
_MAX_CAUSES = 10


def target_of(model_info: Mapping[str, Any] | None) -> str | None:
    """The target of a deployment."""
    info = model_info or {}
    target = info.get("foreshift_target") or info.get("id")
    return None if target is None else str(target)


class ForeshiftLogger(CustomLogger):
    """A callback of LiteLLM that sends each call's outcome, latency, time to the first chunk and quota to Foreshift.

    `receive`: `receive.address` of Foreshift, such as `http://127.0.0.1:7403`, or `https://...` with `credentials` where
    the system's certificates do not do.
    `gateway`: how this router is named.
    `routes`: the routes of model groups that are named otherwise.
    `token`: of a peer with the role `gateway`, where Foreshift knows its peers.

    No prompt, answer or error text leaves the process. Nothing waits for Foreshift: while it cannot be reached calls wait
    in memory, and the oldest beyond 10,000 are dropped and counted in `dropped`.
    """

    def __init__(self, receive: str, *, gateway: str = "litellm", routes: Mapping[str, str] | None = None,
                 token: str | None = None, credentials: grpc.ChannelCredentials | None = None) -> None:
        super().__init__()
        self.dropped = 0
        # LiteLLM takes two callbacks of a class for one, unless they differ in what others may read.
        self.receive = receive
        self.gateway = gateway
        scheme, _, self._address = receive.rpartition("://")
        if scheme == "https" and credentials is None:
            credentials = grpc.ssl_channel_credentials()
        self._credentials = credentials if scheme == "https" else None
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._resource = Resource(attributes=[_attribute("service.name", gateway)])
        self._routes = dict(routes or {})
        self._waiting: deque[tuple[Span, list[Metric], LogRecord | None]] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="foreshift-calls", daemon=True)
        self._thread.start()

    def log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM says that a call succeeded."""
        self._add(kwargs)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM says that a call failed."""
        self._add(kwargs)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM says that a call succeeded."""
        self._add(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """LiteLLM says that a call failed."""
        self._add(kwargs)

    def close(self) -> None:
        """Sends what waits, and ends."""
        self._stopping = True
        self._wake.set()
        self._thread.join(2 * _TIMEOUT_S)

    def _add(self, kwargs: Mapping[str, Any]) -> None:
        try:
            call = _call(kwargs, self._routes)
        except Exception:
            # Telemetry must not break a call.
            _LOG.warning("a call of LiteLLM could not be understood", exc_info=True)
            return
        if call is None:
            return
        with self._lock:
            self._waiting.append(call)
            while len(self._waiting) > _MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
        self._wake.set()

    def _run(self) -> None:
        with self._channel() as channel:
            while not self._stopping or self._waiting:
                self._wake.wait()
                if not self._stopping:
                    time.sleep(_FLUSH_S)
                self._wake.clear()
                while self._waiting and self._send(channel):
                    pass
                if self._waiting and self._stopping:
                    return
                if self._waiting:
                    # Foreshift cannot be reached: again, a little later.
                    time.sleep(5 * _FLUSH_S)
                    self._wake.set()

    def _channel(self) -> grpc.Channel:
        if self._credentials is None:
            return grpc.insecure_channel(self._address)
        return grpc.secure_channel(self._address, self._credentials)

    def _send(self, channel: grpc.Channel) -> bool:
        """Sends some calls; whether more may be sent at once. What the receiver did not take waits for the next time."""
        with self._lock:
            calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MAX_EXPORT))]
        spans = [span for span, _, _ in calls]
        metrics = [metric for _, some, _ in calls for metric in some]
        records = [record for _, _, record in calls if record is not None]
        try:
            trace_service_pb2_grpc.TraceServiceStub(channel).Export(self._traces(spans), timeout=_TIMEOUT_S, metadata=self._metadata)
        except grpc.RpcError as error:
            return self._not_taken(calls, error)
        try:
            if metrics:
                metrics_service_pb2_grpc.MetricsServiceStub(channel).Export(self._metrics(metrics), timeout=_TIMEOUT_S, metadata=self._metadata)
            if records:
                logs_service_pb2_grpc.LogsServiceStub(channel).Export(self._logs(records), timeout=_TIMEOUT_S, metadata=self._metadata)
        except grpc.RpcError as error:
            # The outcomes are told; sent once more they would count twice.
            _LOG.warning("quotas and failures were not taken: %s", error)
        return True

    def _not_taken(self, calls: list[tuple[Span, list[Metric], LogRecord | None]], error: grpc.RpcError) -> bool:
        if error.code() != grpc.StatusCode.UNAVAILABLE:
            self.dropped += len(calls)
            _LOG.warning("%d calls were not taken: %s", len(calls), error)
            return True
        with self._lock:
            self._waiting.extendleft(reversed(calls))
        return False

    def _traces(self, spans: list[Span]) -> trace_service_pb2.ExportTraceServiceRequest:
        scope = ScopeSpans(spans=spans)
        return trace_service_pb2.ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self._resource, scope_spans=[scope])]
        )

    def _metrics(self, metrics: list[Metric]) -> metrics_service_pb2.ExportMetricsServiceRequest:
        scope = ScopeMetrics(metrics=metrics)
        return metrics_service_pb2.ExportMetricsServiceRequest(
            resource_metrics=[ResourceMetrics(resource=self._resource, scope_metrics=[scope])]
        )

    def _logs(self, records: list[LogRecord]) -> logs_service_pb2.ExportLogsServiceRequest:
        scope = ScopeLogs(log_records=records)
        return logs_service_pb2.ExportLogsServiceRequest(
            resource_logs=[ResourceLogs(resource=self._resource, scope_logs=[scope])]
        )


def _call(
    kwargs: Mapping[str, Any], routes: Mapping[str, str]
) -> tuple[Span, list[Metric], LogRecord | None] | None:
    """What is told of a call; `None` for one that no deployment was asked for."""
    call = kwargs.get("standard_logging_object") or {}
    params = kwargs.get("litellm_params") or {}
    target = target_of(params.get("model_info")) or call.get("model_id")
    if not target or call.get("cache_hit"):
        return None
    group = call.get("model_group") or ""
    attributes = {
        "foreshift.target": target,
        "foreshift.route": routes.get(group, group),
        "gen_ai.provider.name": call.get("custom_llm_provider") or "",
        "gen_ai.request.model": call.get("model") or "",
    }
    start_s, end_s = float(call["startTime"]), float(call["endTime"])
    first_s = float(call.get("completionStartTime") or end_s) - start_s
    end_ns = int(end_s * 1e9)
    record = None
    failed = call.get("status") == "failure"
    if failed:
        error = call.get("error_information") or {}
        kind = str(error.get("error_class") or "Exception")
        attributes["error.type"] = kind
        attributes["http.response.status_code"] = str(error.get("error_code") or "")
        attributes["http.response.header.retry-after"] = _retry_after(kwargs.get("exception"))
        attributes["foreshift.outcome"] = _outcome(kwargs.get("exception"))
        record = LogRecord(
            time_unix_nano=end_ns,
            severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR,
            body=AnyValue(string_value=kind),
            attributes=_attributes(attributes),
        )
    span = Span(
        trace_id=os.urandom(16),
        span_id=os.urandom(8),
        name=f"{call.get('call_type') or 'call'} {call.get('model') or ''}",
        kind=Span.SpanKind.SPAN_KIND_CLIENT,
        start_time_unix_nano=int(start_s * 1e9),
        end_time_unix_nano=end_ns,
        attributes=_attributes(attributes),
        status=Status(code=Status.StatusCode.STATUS_CODE_ERROR if failed else Status.StatusCode.STATUS_CODE_OK),
    )
    if call.get("stream") and not failed and first_s >= 0:
        value = AnyValue(double_value=first_s)
        span.attributes.append(KeyValue(key="gen_ai.response.time_to_first_chunk", value=value))
    headers = (call.get("hidden_params") or {}).get("additional_headers") or {}
    return span, _quotas(headers, target, end_ns), record


def _quotas(headers: Mapping[str, Any], target: str, time_ns: int) -> list[Metric]:
    """What is used up of each quota that the provider names, with its limit."""
    metrics = []
    for unit in ("requests", "tokens"):
        limit = _number(headers.get(f"x_ratelimit_limit_{unit}"))
        left = _number(headers.get(f"x_ratelimit_remaining_{unit}"))
        if limit is None or left is None or limit <= 0:
            continue
        point = NumberDataPoint(
            time_unix_nano=time_ns,
            as_double=limit - left,
            attributes=[
                _attribute("foreshift.target", target),
                KeyValue(key="foreshift.limit", value=AnyValue(double_value=limit)),
            ],
        )
        metrics.append(Metric(name=f"quota_{unit}", gauge=Gauge(data_points=[point])))
    return metrics


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _outcome(exception: BaseException | None) -> str:
    """How the call ended, by the first cause that says so; empty where the status is all there is."""
    found = ""
    for _ in range(_MAX_CAUSES):
        if exception is None:
            break
        found = _OUTCOMES.get(type(exception).__name__, found)
        exception = exception.__cause__ or exception.__context__
    return found


def _retry_after(exception: Any) -> str:
    response = getattr(exception, "response", None)
    for headers in (getattr(exception, "litellm_response_headers", None), getattr(response, "headers", None)):
        if headers and "retry-after" in headers:
            return str(headers["retry-after"])
    return ""


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _attributes(named: Mapping[str, str]) -> list[KeyValue]:
    return [_attribute(key, value) for key, value in named.items() if value]
