"""Picks targets by the weights that Foreshift serves, and by your own when there are none.

    weights = RouteWeights("http://127.0.0.1:7400", {"checkout": {"east": 50, "west": 50}})
    target = weights.pick("checkout")

`foreshift.litellm` has a routing strategy and a callback for LiteLLM.
"""

from .weights import Backoff, RouteWeights

__all__ = ["Backoff", "RouteWeights"]
