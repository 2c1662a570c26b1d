"""LiteLLM: a routing strategy that follows Foreshift's weights, and a callback that tells Foreshift how calls ended.

    router = litellm.Router(model_list=[...])
    weights = RouteWeights("http://127.0.0.1:7400", {"gpt": {}})
    ForeshiftRouting(router, weights).install()
    litellm.callbacks.append(ForeshiftLogger("http://127.0.0.1:7403"))

A deployment belongs to the target that its `model_info.foreshift_target` names, else to the one of its `model_info.id`.
A model group is the route of the same name, or the one that `routes` gives it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from litellm.router import Router
from litellm.types.router import CustomRoutingStrategyBase, RouterRateLimitError

from ._calls import ForeshiftLogger, target_of
from .weights import RouteWeights, draw

__all__ = ["ForeshiftLogger", "ForeshiftRouting"]

# LiteLLM leaves out the deployments that a request names here; it takes the entry out again.
_EXCLUDED = "_excluded_deployment_ids"


class ForeshiftRouting(CustomRoutingStrategyBase):
    """Chooses among the deployments that LiteLLM holds for healthy, by Foreshift's weights of their targets.

    All else is left to the strategy that the router had before: models whose route Foreshift does not steer at the moment
    (unknown, in shadow, weights no longer valid), groups with a deployment whose target is not in the route, and requests for
    which no target with a weight is healthy. It never chooses a deployment that LiteLLM has cooled down.

    `routes`: the routes of model groups that are named otherwise.
    """

    def __init__(self, router: Router, weights: RouteWeights, routes: Mapping[str, str] | None = None) -> None:
        self._router = router
        self._weights = weights
        self._routes = dict(routes or {})
        self._own_choice = router.get_available_deployment
        self._own_async_choice = router.async_get_available_deployment

    def install(self) -> None:
        """Makes it the router's strategy."""
        self._router.set_custom_routing_strategy(self)

    async def async_get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The deployment for a request."""
        request = {} if request_kwargs is None else request_kwargs
        asked: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "input": input,
            "specific_deployment": specific_deployment,
            "request_kwargs": request,
        }
        shares = self._steered(model)
        if shares is None:
            return await self._own_async_choice(**asked)
        # LiteLLM takes its notes on a request out of it when it looks for healthy deployments.
        notes = dict(request)
        try:
            healthy = await self._router.async_get_healthy_deployments(**asked)
        except Exception:
            # There is none: how that is told is LiteLLM's own matter.
            healthy = []
        if isinstance(healthy, dict):
            return healthy
        by_target = _by_target(healthy, shares)
        target = draw({target: shares[target] for target in by_target})
        if target is not None:
            return _one_of(by_target[target])
        for key in notes.keys() - request.keys():
            request[key] = notes[key]
        return await self._own_async_choice(**asked)

    def get_available_deployment(
        self,
        model: str,
        messages: list[dict[str, str]] | None = None,
        input: str | list[Any] | None = None,
        specific_deployment: bool | None = False,
        request_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The deployment for a request, for callers that do not wait: LiteLLM's own choice among those of a target."""
        request = {} if request_kwargs is None else request_kwargs
        asked: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "input": input,
            "specific_deployment": specific_deployment,
            "request_kwargs": request,
        }
        shares = self._steered(model)
        if shares is None:
            return self._own_choice(**asked)
        by_target = _by_target(self._router.get_model_list(model_name=model) or [], shares)
        left = {target: shares[target] for target in by_target}
        notes = dict(request)
        while (target := draw(left)) is not None:
            others = [_id(deployment) for name, all in by_target.items() if name != target for deployment in all]
            request.update(notes)
            request[_EXCLUDED] = [*(notes.get(_EXCLUDED) or []), *others]
            try:
                return self._own_choice(**asked)
            except RouterRateLimitError:
                # None of this target is healthy: the others share its part.
                del left[target]
        request.pop(_EXCLUDED, None)
        request.update(notes)
        return self._own_choice(**asked)

    def _steered(self, model: str) -> Mapping[str, int] | None:
        return self._weights.steered(self._routes.get(model, model))


def _by_target(deployments: list[Any], shares: Mapping[str, int]) -> dict[str, list[Any]]:
    """The deployments by target; none at all when one of them has no target of the route, since it would get nothing."""
    by_target: dict[str, list[Any]] = {}
    for deployment in deployments:
        target = target_of(deployment.get("model_info"))
        if target is None or target not in shares:
            return {}
        by_target.setdefault(target, []).append(deployment)
    return by_target


def _one_of(deployments: list[Any]) -> Any:
    """Among the deployments of one target LiteLLM's own `weight` counts."""
    weights = [deployment["litellm_params"].get("weight") or 1 for deployment in deployments]
    return random.choices(deployments, weights=weights)[0]


def _id(deployment: Any) -> str:
    return str((deployment.get("model_info") or {}).get("id"))
