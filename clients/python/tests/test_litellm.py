"""A real LiteLLM router with the strategy, in front of two providers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from conftest import Upstream
from litellm import Router

from foreshift.litellm import ForeshiftRouting

MESSAGES = [{"role": "user", "content": "who are you?"}]
CALLS = 40


class Weights:
    """Stands for what was heard; the tests of `RouteWeights` hold when that is."""

    def __init__(self) -> None:
        self.shares: Mapping[str, int] | None = None

    def steered(self, route: str) -> Mapping[str, int] | None:
        return self.shares if route == "api" else None


def router_of(upstreams: dict[str, Upstream], weights: Weights, **more: Any) -> Router:
    """`gpt` is the route `api`; `other` has the same deployments and is not known to Foreshift."""
    deployments = [
        {
            "model_name": model,
            "litellm_params": {
                "model": "openai/demo",
                "api_base": f"http://127.0.0.1:{upstream.port}/v1",
                "api_key": "none",
                "max_retries": 0,
                "weight": 1 if name == "eu" else 0,
            },
            "model_info": {"foreshift_target": name, "id": f"{model}-{name}"},
        }
        for model in ("gpt", "other")
        for name, upstream in upstreams.items()
    ]
    router = Router(model_list=deployments, num_retries=0, **more)
    ForeshiftRouting(router, weights, {"gpt": "api"}).install()
    return router


def ask(router: Router, model: str, how: str) -> str:
    if how == "async":
        return asyncio.run(router.acompletion(model=model, messages=MESSAGES)).choices[0].message.content
    return router.completion(model=model, messages=MESSAGES).choices[0].message.content


def answers(router: Router, model: str, how: str) -> Counter[str]:
    async def all_async() -> list[Any]:
        return [await router.acompletion(model=model, messages=MESSAGES) for _ in range(CALLS)]

    if how == "async":
        given = asyncio.run(all_async())
    else:
        given = [router.completion(model=model, messages=MESSAGES) for _ in range(CALLS)]
    return Counter(answer.choices[0].message.content for answer in given)


@pytest.fixture(params=["sync", "async"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_router_follows_weights_and_else_its_own(upstreams: dict[str, Upstream], how: str) -> None:
    weights = Weights()
    router = router_of(upstreams, weights)
    # LiteLLM's own weights send all to `eu`.
    assert answers(router, "gpt", how) == {"eu": CALLS}
    weights.shares = {"eu": 0, "us": 10_000}
    assert answers(router, "gpt", how) == {"us": CALLS}
    assert answers(router, "other", how) == {"eu": CALLS}, "Foreshift does not know it"
    weights.shares = {"eu": 5_000, "us": 5_000}
    shared = answers(router, "gpt", how)
    assert shared["eu"] and shared["us"], shared
    weights.shares = None
    assert answers(router, "gpt", how) == {"eu": CALLS}


def test_a_deployment_that_is_cooled_down_is_not_chosen(upstreams: dict[str, Upstream], how: str) -> None:
    weights = Weights()
    router = router_of(upstreams, weights, allowed_fails=0, cooldown_time=600)
    weights.shares = {"eu": 1, "us": 9_999}
    upstreams["us"].status = 500
    with pytest.raises(Exception):
        for _ in range(CALLS):
            ask(router, "gpt", how)
    asked = upstreams["us"].asked
    assert answers(router, "gpt", how) == {"eu": CALLS}
    assert upstreams["us"].asked == asked


def test_with_no_target_of_weight_left_litellm_chooses_or_refuses(upstreams: dict[str, Upstream], how: str) -> None:
    weights = Weights()
    router = router_of(upstreams, weights, allowed_fails=0, cooldown_time=600)
    weights.shares = {"eu": 0, "us": 10_000}
    upstreams["us"].status = 500
    with pytest.raises(Exception):
        ask(router, "gpt", how)
    assert answers(router, "gpt", how) == {"eu": CALLS}, "what is healthy serves, whatever its weight"
    upstreams["eu"].status = 500
    with pytest.raises(Exception):
        ask(router, "gpt", how)
    asked = upstreams["eu"].asked, upstreams["us"].asked
    with pytest.raises(Exception, match="No deployments available"):
        ask(router, "gpt", how)
    assert (upstreams["eu"].asked, upstreams["us"].asked) == asked


def test_a_group_with_a_deployment_of_no_target_is_left_alone(upstreams: dict[str, Upstream], how: str) -> None:
    weights = Weights()
    router = router_of(upstreams, weights)
    weights.shares = {"us": 10_000}
    assert answers(router, "gpt", how) == {"eu": CALLS}
