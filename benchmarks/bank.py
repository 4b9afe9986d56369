"""Coresets and nearest neighbours: plain ways against `adlib.bank`, in one run, with covering radii and peak memory.

    python benchmarks/bank.py [--data FEATURES.pt] [--points 40000] [--size 2000] [--rounds 3]

FEATURES.pt: a float32 tensor (N, D), read with weights_only. Without it the features are drawn: clusters of a decaying
spectrum. Further cases are Gaussian noise, points of which each stands there 20 times, and neighbours in noise.
Plain greedy: one product of all points with the newest centre a pick, in float32. Plain neighbours: float32 products
with chunks of the bank, and the smallest of each. faiss and anomalib are measured too where they are installed.
The rounds alternate between the ways; the table shows the fastest of each, since other programs can only slow them.
Peak memory is that of one run in a process of its own: what it adds to the features (Linux only).
"""

import argparse
import importlib
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from adlib.bank import covering_radius, greedy_coreset, nearest

Way = Callable[[], object]


def drawn_features(n: int, dims: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(dims, dims, generator=generator) * torch.arange(1, dims + 1)[:, None] ** -0.7
    places = torch.randn(200, dims, generator=generator) @ axes
    rows = places[torch.randint(200, (n,), generator=generator)]
    return rows + 0.5 * torch.randn(n, dims, generator=generator) @ axes


def plain_greedy(points: Tensor, size: int, first: int) -> Tensor:
    lengths = points.square().sum(1)
    left = torch.full_like(lengths, torch.inf)
    picked = [first]
    while len(picked) < size:
        newest = picked[-1]
        torch.minimum(left, torch.addmv(lengths + lengths[newest], points, points[newest], alpha=-2), out=left)
        left[newest] = -1
        picked.append(int(left.argmax()))
    return torch.tensor(picked)


def plain_nearest(queries: Tensor, bank: Tensor, rows: int = 8192) -> Tensor:
    found = []
    for part in bank.split(rows):
        found.append(torch.addmm(part.square().sum(1) / 2, queries, part.T, alpha=-1).amin(1))
    return (2 * torch.stack(found).amin(0) + queries.square().sum(1)).clamp(min=0).sqrt()


def installed(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def fastest(ways: dict[str, Way], rounds: int) -> tuple[dict[str, float], dict[str, object]]:
    """Least seconds of each way over interleaved rounds, and its last result."""
    seconds, results = dict.fromkeys(ways, float("inf")), {}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            results[name] = way()
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return seconds, results


def show(case: str, seconds: dict[str, float], notes: dict[str, str]) -> None:
    plain = seconds["plain"]
    for name, value in seconds.items():
        print(f"| {case} | {name} | {value:.3f} | {value / plain:.3f} | {notes.get(name, '')} |", flush=True)


def compare_coresets(case: str, points: Tensor, size: int, rounds: int) -> None:
    first = int(greedy_coreset(points, 1, show_progress=False))
    ways: dict[str, Way] = {
        "plain": lambda: plain_greedy(points, size, first),
        "adlib": lambda: greedy_coreset(points, size, show_progress=False),
    }
    anomalib = installed("anomalib.models.components.sampling")
    if anomalib is not None:
        sampler = anomalib.KCenterGreedy
        ways["anomalib"] = lambda: torch.as_tensor(sampler(points, size / len(points)).select_coreset_idxs())
    seconds, results = fastest(ways, rounds)
    notes = {name: f"radius {covering_radius(points, chosen):.4f}" for name, chosen in results.items()}
    same = results["adlib"] == results["plain"]
    notes["adlib"] += f", {float(same.float().mean()):.1%} of the plain sequence"
    show(f"{case}: {size} of {len(points)} x {points.shape[1]}", seconds, notes)


def compare_neighbours(queries: Tensor, bank: Tensor, rounds: int) -> None:
    ways: dict[str, Way] = {"plain": lambda: plain_nearest(queries, bank), "adlib": lambda: nearest(queries, bank)}
    faiss = installed("faiss")
    if faiss is not None:
        index = faiss.IndexFlatL2(bank.shape[1])
        index.add(bank.numpy())
        ways["faiss"] = lambda: index.search(queries.numpy(), 1)
    seconds, results = fastest(ways, rounds)
    apart = float((results["adlib"][0][:, 0] - results["plain"]).abs().max())
    show(f"{len(queries)} in {len(bank)} x {bank.shape[1]}", seconds, {"adlib": f"largest difference {apart:.1e}"})


def peak_memory() -> int:
    """Largest resident bytes since the last reset (Linux: VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def report_added_memory(points: Tensor, size: int, answer) -> None:
    """A short run comes first, so that the libraries' own start-up does not count."""
    points = points.clone()
    greedy_coreset(points[:2000].clone(), 50, show_progress=False)
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is resident now
    before = peak_memory()
    greedy_coreset(points, size, show_progress=False)
    answer.put(peak_memory() - before)


def added_memory(points: Tensor, size: int) -> int:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=report_added_memory, args=(points, size, answer))
    process.start()
    added = answer.get()
    process.join()
    return added


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="float32 tensor (N, D) saved with torch.save")
    parser.add_argument("--points", type=int, default=40_000, help="a random choice of so many; 0: all")
    parser.add_argument("--size", type=int, default=2_000, help="centres")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["features", "hard", "neighbours"], help="one part alone")
    options = parser.parse_args()

    points = torch.load(options.data, weights_only=True) if options.data else drawn_features(options.points, 152)
    if options.points and options.points < len(points):
        points = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(1))[: options.points]]
    size, dims = min(options.size, len(points)), points.shape[1]
    print("| case | way | seconds | ratio to plain | |\n|---|---|---|---|---|")
    if options.only in (None, "features"):
        compare_coresets("features", points, size, options.rounds)
    if options.only in (None, "features") and Path("/proc/self/clear_refs").exists():
        added, own = added_memory(points, size), points.numel() * points.element_size()
        print(f"| features: memory | adlib | | | adds {added / 1e6:.0f} MB to {own / 1e6:.0f}: {1 + added / own:.2f} |")
    if options.only in (None, "hard"):
        noise = torch.randn(20_000, dims, generator=torch.Generator().manual_seed(0))
        compare_coresets("noise", noise, 1_000, options.rounds)
        compare_coresets("each 20 times", drawn_features(1_000, dims).repeat(20, 1), 1_200, options.rounds)
        compare_coresets("few centres", points, 50, options.rounds)
    if options.only in (None, "neighbours"):
        generator = torch.Generator().manual_seed(0)
        compare_neighbours(
            torch.randn(1024, 384, generator=generator), torch.randn(131_072, 384, generator=generator), options.rounds
        )


if __name__ == "__main__":
    main()
