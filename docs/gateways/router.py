"""A LiteLLM router that Foreshift steers: one model over two providers. What is Foreshift's is marked; the rest is yours."""

import time

import litellm
from litellm import Router

from foreshift import RouteWeights  # Foreshift
from foreshift.litellm import ForeshiftLogger, ForeshiftRouting  # Foreshift


def deployment(target: str, port: int) -> dict:
    return {
        "model_name": "chat",
        "litellm_params": {
            "model": "openai/demo",
            "api_base": f"http://127.0.0.1:{port}/v1",
            "api_key": "none",
        },
        "model_info": {"foreshift_target": target},  # Foreshift: the target's name in fallback.yaml
    }


router = Router(
    model_list=[deployment("east", 8081), deployment("west", 8082)],
    num_retries=1,
    cooldown_time=5,
)

# Foreshift: weights of the route `chat` from listen.grpc, and calls to receive.address.
weights = RouteWeights("http://127.0.0.1:7400", {"chat": {}}, gateway="litellm-1")
ForeshiftRouting(router, weights).install()
litellm.callbacks.append(ForeshiftLogger("http://127.0.0.1:7403", gateway="litellm-1"))

while True:
    try:
        answer = router.completion(model="chat", messages=[{"role": "user", "content": "who are you?"}])
        print(answer.choices[0].message.content, flush=True)
    except Exception as error:
        print(f"failed: {type(error).__name__}", flush=True)
    time.sleep(0.05)
