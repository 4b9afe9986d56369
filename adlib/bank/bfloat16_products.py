"""Products in bfloat16, which bound products in float32 where the processor multiplies them faster.

bfloat16 rounds a value by at most its 2^-8th part, and sums of its products are kept in float32 and rounded at the end.
For vectors x and c and their computed product p this gives, by Cauchy and Schwarz,

    |x.c - p|  <=  (2 * 2^-8 + 2^-16) |x| |c|  +  2^-8 |p|  <=  `COARSE` |x| |c|

with room for the terms of higher order. Values too small for float32 are taken as 0, which the callers' bounds for the
rounding of float32 cover.
"""

import time
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

COARSE = 3.05 * 2.0**-8
FASTER = 2.0  # times that products in bfloat16 must be faster: roundings, conversions and a second product follow
ROUNDS = 5


def pays(points: Tensor) -> bool:
    """Whether products in bfloat16 are worth a try for points (N, D): float32 on a CPU that is fast at them."""
    return points.device.type == "cpu" and points.dtype == torch.float32 and _processor_is_fast()


@lru_cache(maxsize=1)
def _processor_is_fast() -> bool:
    """Measured once per process, some milliseconds. The answer changes times, and no result."""
    rows, centres = torch.ones(2048, 128), torch.ones(128, 128)
    coarse_rows, coarse_centres = rows.bfloat16(), centres.bfloat16()
    exact = _least_seconds(lambda: rows @ centres.T)
    return FASTER * _least_seconds(lambda: coarse_rows @ coarse_centres.T) < exact


def _least_seconds(product: Callable[[], Tensor]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
