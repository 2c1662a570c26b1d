"""The messages of `foreshift.v1.RouteWeightService`.

They are made from the descriptors of the protos when the module is loaded, in a pool of their own: so any version of
protobuf will do, and no generated code can be out of step with it.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "foreshift.v1"
SERVICE = f"/{_PACKAGE}.RouteWeightService"


def _messages() -> dict[str, Any]:
    files = descriptor_pb2.FileDescriptorSet.FromString(
        resources.files(__package__).joinpath("route_weights.binpb").read_bytes()
    )
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    names = [message.name for file in files.file for message in file.message_type if file.package == _PACKAGE]
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in names
    }


_known = _messages()

# Messages are built at run time, so a type checker cannot know their fields.
WatchRequest: Any = _known["WatchRouteWeightsRequest"]
WatchResponse: Any = _known["WatchRouteWeightsResponse"]
ReportRequest: Any = _known["ReportAppliedRequest"]
ReportResponse: Any = _known["ReportAppliedResponse"]
Report: Any = _known["AppliedReport"]
Weights: Any = _known["RouteWeights"]

MODE_AUTO = 4
