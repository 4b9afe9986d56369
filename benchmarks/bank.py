"""Coresets and nearest neighbours: plain versions and `adlib.bank` in one run, with covering radii and peak memory.

    python benchmarks/bank.py [--bottle FOLDER] [--mtd FOLDER] [--tire FOLDER] [--points 40000] [--size 2000]

FOLDER: the folders of MVTec AD, of Magnetic Tile Defects and of the RGB images of MVTec 3D-AD. Their good images become
EfficientNet-Lite0 patches, 256 pixels cropped to 224. All patches of the first two are also subsampled, by `adlib`
alone, with and without products in bfloat16: the plain version takes many minutes there.
Neighbours are also sought in coresets of 10% (tiles: also 1%), one test image in eight after the other, by `nearest`
and by `BankIndex`, which excludes blocks of the bank. --weights FILE adds ResNet-18 (layers 2 and 3) on `bottle`.
Without --bottle the features are generated: clusters with a decaying spectrum. Further cases are Gaussian noise, points
that each occur 20 times, and neighbours in noise.
Plain greedy: one product of all points with the newest centre per pick, in float32. Plain neighbours: float32 products
with chunks of the bank, and the minimum of each. faiss and anomalib are also measured where they are installed.
The rounds alternate between the versions; the table shows the fastest time of each, since other programs can only slow
them. Peak memory is what one run in its own process adds to the features (Linux only).
"""

import argparse
import importlib
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from adlib.bank import BankIndex, _farthest_first, covering_radius, greedy_coreset, nearest
from adlib.data import load_dataset
from adlib.features.backbones import load_backbone
from adlib.features.extract import FeatureSpec, extract
from adlib.features.patches import Preprocess, patch_vectors

Way = Callable[[], object]


def generated_features(n: int, dims: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(dims, dims, generator=generator) * torch.arange(1, dims + 1)[:, None] ** -0.7
    centres = torch.randn(200, dims, generator=generator) @ axes
    rows = centres[torch.randint(200, (n,), generator=generator)]
    return rows + 0.5 * torch.randn(n, dims, generator=generator) @ axes


def real_features(folder: str, category: str, pooling: str = "mean") -> Tensor:
    """Patches of all good training images of a category."""
    good = [s.path for s in load_dataset(folder, category).few_shot(None)]
    return torch.cat(patches(good, category, pooling))


def patches(paths: list[Path], label: str, pooling: str = "mean", weights: str | None = None) -> list[Tensor]:
    """Patches (784, D) of each image, by EfficientNet-Lite0, or by ResNet-18 where its weights are given."""
    layers, name = (("layer2", "layer3"), "resnet18") if weights else (("blocks2", "blocks4"), "efficientnet_lite0")
    spec = FeatureSpec(layers, Preprocess(256, crop=224))
    features = extract(load_backbone(name, weights), paths, spec, show_progress=True, label=label)
    return [patch_vectors(image.maps, 3, pooling)[0] for image in features]


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
    smallest = []
    for chunk in bank.split(rows):
        smallest.append(torch.addmm(chunk.square().sum(1) / 2, queries, chunk.T, alpha=-1).amin(1))
    return (2 * torch.stack(smallest).amin(0) + queries.square().sum(1)).clamp(min=0).sqrt()


def installed(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def fastest(ways: dict[str, Way], rounds: int) -> tuple[dict[str, float], dict[str, object]]:
    """Fewest seconds of each version over interleaved rounds, and its last result."""
    seconds, results = dict.fromkeys(ways, float("inf")), {}
    for _ in range(rounds):
        for name, way in ways.items():
            begin = time.perf_counter()
            results[name] = way()
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return seconds, results


def show(case: str, seconds: dict[str, float], notes: dict[str, str]) -> None:
    for name, value in seconds.items():
        ratio = f"{value / seconds['plain']:.3f}" if "plain" in seconds else ""
        print(f"| {case} | {name} | {value:.3f} | {ratio} | {notes.get(name, '')} |", flush=True)


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


def subsample_whole(case: str, points: Tensor, fraction: float, rounds: int) -> None:
    size = int(fraction * len(points))

    def in_float32() -> Tensor:
        with mock.patch.object(_farthest_first, "pays", lambda points: False):
            return greedy_coreset(points, size, show_progress=False)

    ways = {"adlib": lambda: greedy_coreset(points, size, show_progress=False), "adlib, all in float32": in_float32}
    seconds, results = fastest(ways, rounds)
    if not torch.equal(*results.values()):
        raise AssertionError("bfloat16 changes the coreset.")
    show(f"{case}: {size} of {len(points)} x {points.shape[1]}", seconds, {})


def compare_neighbours(case: str, images: list[Tensor], bank: Tensor, rounds: int) -> None:
    """images: the patches of one image each, which are searched one after the other."""
    begin = time.perf_counter()
    prepared = BankIndex(bank)
    made = time.perf_counter() - begin
    ways: dict[str, Way] = {
        "plain": lambda: torch.cat([plain_nearest(image, bank) for image in images]),
        "adlib": lambda: [nearest(image, bank) for image in images],
        "adlib, index": lambda: [prepared.nearest(image) for image in images],
    }
    faiss = installed("faiss")
    if faiss is not None:
        flat = faiss.IndexFlatL2(bank.shape[1])
        flat.add(bank.numpy())
        ways["faiss"] = lambda: [flat.search(image.numpy(), 1) for image in images]
    seconds, results = fastest(ways, rounds)
    distances, rows = (torch.cat(parts)[:, 0] for parts in zip(*results["adlib"], strict=True))
    again = (torch.cat(parts)[:, 0] for parts in zip(*results["adlib, index"], strict=True))
    if not all(torch.equal(one, other) for one, other in zip((distances, rows), again, strict=True)):
        raise AssertionError("The index gives other neighbours than `nearest`.")
    notes = {"adlib": f"largest difference {float((distances - results['plain']).abs().max()):.1e}"}
    notes["adlib, index"] = f"made in {made:.2f} s, " + ("blocks" if prepared.blocks else "no blocks")
    show(f"{case}: {len(rows)} in {len(bank)} x {bank.shape[1]}", seconds, notes)


def compare_real_neighbours(
    folder: str, category: str, weights: str | None, fractions: list[float], rounds: int
) -> None:
    dataset = load_dataset(folder, category)
    points = torch.cat(patches([s.path for s in dataset.few_shot(None)], category, weights=weights))
    images = patches([s.path for s in dataset.test][::8], category, weights=weights)
    for fraction in fractions:
        bank = points[greedy_coreset(points, int(fraction * len(points)), show_progress=False)]
        compare_neighbours(f"{category}, {'ResNet-18' if weights else 'EfficientNet-Lite0'}", images, bank, rounds)


def peak_memory() -> int:
    """Largest resident bytes since the last reset (Linux: VmHWM)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def report_added_memory(points: Tensor, size: int, answer) -> None:
    """A short run comes first, so that the start-up of the libraries does not count."""
    points = points.clone()
    greedy_coreset(points[:2000].clone(), 50, show_progress=False)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak to what is resident now
    before = peak_memory()
    greedy_coreset(points, size, show_progress=False)
    answer.put(peak_memory() - before)


def show_added_memory(case: str, points: Tensor, size: int) -> None:
    if not Path("/proc/self/clear_refs").exists():
        return
    added, own = added_memory(points, size), points.numel() * points.element_size()
    print(f"| {case}: memory | adlib | | | adds {added / 1e6:.0f} MB to {own / 1e6:.0f}: {1 + added / own:.2f} |")


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
    parser.add_argument("--bottle", help="folder of MVTec AD with its category bottle")
    parser.add_argument("--mtd", help="folder of Magnetic Tile Defects")
    parser.add_argument("--tire", help="folder of the RGB images of MVTec 3D-AD with its category tire")
    parser.add_argument("--weights", help="file of ResNet-18's weights")
    parser.add_argument("--points", type=int, default=40_000, help="use at most this many points, chosen at random")
    parser.add_argument("--size", type=int, default=2_000, help="number of centres")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the fastest of")
    parser.add_argument("--only", choices=["features", "hard", "neighbours", "whole"], help="measure only this part")
    parser.add_argument("--threads", type=int, help="number of threads; default: all cores")
    options = parser.parse_args()

    torch.set_num_threads(options.threads or torch.get_num_threads())
    bottle = real_features(options.bottle, "bottle") if options.bottle else None
    points = generated_features(options.points, 152) if bottle is None else bottle
    if options.points < len(points):
        points = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(1))[: options.points]]
    size, dims = min(options.size, len(points)), points.shape[1]
    print("| case | version | seconds | ratio to plain | |\n|---|---|---|---|---|")
    if options.only in (None, "features"):
        compare_coresets("features", points, size, options.rounds)
        show_added_memory("features", points, size)
    if options.only in (None, "hard"):
        noise = torch.randn(20_000, dims, generator=torch.Generator().manual_seed(0))
        compare_coresets("noise", noise, 1_000, options.rounds)
        compare_coresets("each 20 times", generated_features(1_000, dims).repeat(20, 1), 1_200, options.rounds)
        compare_coresets("few centres", points, 50, options.rounds)
    if options.only in (None, "neighbours"):
        generator = torch.Generator().manual_seed(0)
        queries = torch.randn(1024, 384, generator=generator)
        compare_neighbours("noise", [queries], torch.randn(131_072, 384, generator=generator), options.rounds)
        if options.bottle:
            for weights in {None, options.weights}:
                compare_real_neighbours(options.bottle, "bottle", weights, [0.1], options.rounds)
        if options.mtd:
            compare_real_neighbours(options.mtd, "mtd", None, [0.01, 0.1], options.rounds)
        if options.tire:
            compare_real_neighbours(options.tire, "tire", None, [0.1], options.rounds)
    if options.only in (None, "whole"):
        if bottle is not None:
            subsample_whole("bottle", bottle, 0.1, options.rounds)
            show_added_memory("bottle", bottle, len(bottle) // 50)
            subsample_whole("bottle, official pooling", real_features(options.bottle, "bottle", "official"), 0.1, 1)
        if options.mtd:
            tiles = real_features(options.mtd, "mtd")
            subsample_whole("tiles", tiles, 0.01, options.rounds)
            show_added_memory("tiles", tiles, len(tiles) // 500)


if __name__ == "__main__":
    main()
