"""A gateway for `foreshift-testbed`: LiteLLM's router with its own strategy, or with Foreshift's: litellm_gateway.py CONFIG

`GET /` asks the router for a stream of tokens and passes them on. A call that fails is a 429 or a 502, and one that fails
half-way breaks the connection. The header `x-target` says which deployment answers.
"""

import json
import sys

import litellm
from aiohttp import web
from litellm import Router

MESSAGES = [{"role": "user", "content": "go on"}]


def own_router(config):
    """LiteLLM as it comes, with weights; nothing is tried again."""
    router = Router(
        model_list=[deployment(config, one) for one in config["deployments"]],
        routing_strategy="simple-shuffle",
        num_retries=0,
        timeout=config["timeout_s"],
        cooldown_time=config["cooldown_s"],
    )
    # It cools down by the share of failures in a minute, which cannot be set: here a minute is that of the story.
    count = router.cache.increment_cache

    def count_by_scaled_minute(key, value, local_only=False, **rest):
        if rest.get("ttl") == 60:
            rest["ttl"] = config["minute_s"]
        return count(key, value, local_only=local_only, **rest)

    router.cache.increment_cache = count_by_scaled_minute
    return router


def deployment(config, one):
    return {
        "model_name": config["route"],
        "litellm_params": {
            "model": "openai/demo",
            "api_base": f"http://127.0.0.1:{one['port']}/v1",
            "api_key": "none",
            "weight": one["weight"],
            "max_retries": 0,
        },
        "model_info": {"id": one["target"]},
    }


def steer(router, config):
    from foreshift import RouteWeights
    from foreshift.litellm import ForeshiftLogger, ForeshiftRouting

    weights = RouteWeights(config["foreshift"]["grpc"], {config["route"]: {}}, gateway="litellm")
    ForeshiftRouting(router, weights).install()
    litellm.callbacks.append(ForeshiftLogger(config["foreshift"]["receive"]))


def answers(router, route):
    async def answer(request):
        try:
            chunks = await router.acompletion(model=route, messages=MESSAGES, stream=True)
        except Exception as error:
            return web.Response(status=429 if getattr(error, "status_code", None) == 429 else 502)
        response = web.StreamResponse(headers={"x-target": chunks._hidden_params["model_id"]})
        await response.prepare(request)
        try:
            async for chunk in chunks:
                await response.write((chunk.choices[0].delta.content or "").encode())
        except Exception:
            # Whoever asked must not take this for the end.
            if request.transport is not None:
                request.transport.abort()
        return response

    return answer


async def ready(_request):
    return web.Response()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    router = own_router(config)
    if config["foreshift"]:
        steer(router, config)
    app = web.Application()
    app.router.add_get("/", answers(router, config["route"]))
    app.router.add_get("/ready", ready)
    web.run_app(app, host="127.0.0.1", port=config["port"], access_log=None, print=None)


main()
