"""Protocols in words: a published one, ours, and what differs between the two."""

from collections.abc import Mapping, Sequence
from typing import Any

from adlib.detectors.anomalydino import AnomalyDINO
from adlib.experiments.protocol import Protocol
from adlib.features.backbones import patch_multiple
from adlib.papers.catalogue import Setting
from adlib.papers.setups import Setup

NETWORKS = {
    "efficientnet_lite0": "EfficientNet-Lite0",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "wide_resnet50_2": "WideResNet-50-2",
    "wide_resnet101_2": "WideResNet-101-2",
    "vit_tiny_patch16": "ViT-Tiny/16",
    "dinov2_vits14": "DINOv2 ViT-S/14",
    "dinov2_vits14_saliency": "DINOv2 ViT-S/14 fine-tuned for saliency",
    "dinov2_vitb14": "DINOv2 ViT-B/14",
    "dinov2_vitl14": "DINOv2 ViT-L/14",
    "dinov2_vitg14": "DINOv2 ViT-g/14",
    "clip_vitb16_plus_240": "CLIP ViT-B/16+ (LAION-400M)",
}
PIXEL_METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1max", "aupro")
_SQUARE = ("mvtec",)  # data sets of square images
# Differences in a detail: of two runs, the run with this detail is nearer than the run without rotation or mask.
DETAILS = ("rotation", "mask_growth", "stretch_maps")
_TURNS = {
    "all": "all references rotated",
    "some": "references rotated only in categories with rotated parts",
    "none": "no reference rotated",
}


def differences(setup: Setup, theirs: Setting, metric: str) -> list[str]:
    """What differs between our protocol and a published one, in words; what is unknown is not compared.

    setup: our runs.
    theirs: the published protocol.
    metric: the published metric; differences that cannot affect it are left out.
    """
    protocol, options = setup.protocol, setup.protocol.options
    words = [word for word in (theirs.run_by, theirs.note) if word]
    if not theirs.options:  # name at least our own setting
        words.append(f"ours: {_network(protocol.backbone)} at {options['resize']} px")
    if theirs.backbone and protocol.backbone != theirs.backbone:
        words.append(f"{_network(protocol.backbone)} instead of {_network(theirs.backbone)}")
    if theirs.options and options.get("layers") is not None:  # the papers take each network's default layers
        words.append(f"layers {' + '.join(options['layers'])}")
    if theirs.options and options.get("aspect") == "square" != theirs.options.get("aspect"):
        words.append("both sides resized instead of the shorter side")
    if theirs.options and options.get("precision") != "float32":
        words.append(f"{options['precision']} instead of float32")
    words += [_WORDS[name](ours, value) for name, (ours, value) in changed(setup, theirs, metric).items()]
    if metric in PIXEL_METRICS and theirs.map_frame and protocol.map_frame != theirs.map_frame:
        frames = {"network": "in the network's crop", "original": "in original pixels"}
        words.append(f"maps compared {frames[protocol.map_frame]} instead of {frames[theirs.map_frame]}")
    if protocol.shots and theirs.selection and protocol.selection != theirs.selection:
        words.append("references sampled at random instead of in slices of the sorted list")
    if protocol.dataset == "mtd":
        words.append("another split, since none is published")
    if protocol.dataset == "mvtec" and setup.runs[0].scores["image"].iloc[0].endswith((".jpg", ".jpeg")):
        words.append("JPEG copies instead of the distributed PNG files")
    return words


def changed(setup: Setup, theirs: Setting, metric: str) -> dict[str, tuple[Any, Any]]:
    """Parameter -> our value and theirs, where these differ and can affect the metric."""
    ours = {**setup.protocol.options, "rotate": setup.turned == "all"}
    pairs = {name: (ours.get(name), value) for name, value in theirs.options.items() if name in _WORDS}
    unused = _unused(setup, theirs, metric)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in unused}


def _unused(setup: Setup, theirs: Setting, metric: str) -> set[str]:
    """Parameters that cannot affect the metric of our runs."""
    protocol, options = setup.protocol, setup.protocol.options
    whole = 1.0 in (options.get("coreset"), theirs.options.get("coreset"))
    maps = metric in PIXEL_METRICS and protocol.map_frame == "original"
    without_effect = {
        "dims": options.get("pooling") != "official",
        "coreset_method": whole,
        "rotation": setup.turned == "none",
        "mask_growth": options.get("mask") == "never",
        "batch_share": protocol.shots != 0,
        "stretch_maps": not maps or _nothing_cut(protocol),
    }
    return {name for name, holds in without_effect.items() if holds}


def _nothing_cut(protocol: Protocol) -> bool:
    """Whether the network surely sees whole images: both sides are multiples of its patch."""
    multiple, side = patch_multiple(protocol.backbone), protocol.options["resize"]
    square = protocol.dataset in _SQUARE or protocol.options["aspect"] == "square"
    return multiple == 1 or (square and side is not None and side % multiple == 0)


def _network(name: str) -> str:
    return NETWORKS.get(name, name)


def _coreset(value: float) -> str:
    return f"at most {value:,} patches" if isinstance(value, int) else f"{100 * value:g}%"


def _turned(ours: bool, theirs: bool) -> str:
    return "references not rotated in every category" if theirs else "all references rotated instead of none"


_POOLINGS = {"mean": "plain mean of a window", "official": "the code's two adaptive poolings"}
_DISTANCES = {"euclidean": "Euclidean distances", "squared": "squared distances"}
_CORESETS = {"greedy": "exact greedy", "approximate": "approximate greedy", "random": "random"}
_ROTATIONS = {"centred": "about the centre", "official": "half a pixel beside it"}
_GROWTHS = {"grid": "on the patch grid", "column": "along its rows"}
_WORDS: dict[str, Any] = {
    "resize": lambda ours, theirs: f"resized to {ours} px instead of {theirs}",
    "crop": lambda ours, theirs: f"{f'crop {ours}' if ours else 'no crop'} instead of crop {theirs}",
    "pooling": lambda ours, theirs: f"{_POOLINGS[ours]} instead of {_POOLINGS[theirs]}",
    "dims": lambda ours, theirs: f"{ours} dimensions instead of {theirs}",
    "distance": lambda ours, theirs: f"{_DISTANCES[ours]} instead of {_DISTANCES[theirs]}",
    "reweight": lambda ours, theirs: f"eq. 7 with b = {ours} instead of off",
    "coreset": lambda ours, theirs: f"coreset {_coreset(ours)} instead of {_coreset(theirs)}",
    "coreset_method": lambda ours, theirs: f"{_CORESETS[ours]} coreset instead of {_CORESETS[theirs]}",
    "neighbourhood": lambda ours, theirs: f"window {ours} x {ours} instead of {theirs} x {theirs}",
    "neighbours": lambda ours, theirs: f"{ours} nearest neighbours instead of {theirs}",
    "top_share": lambda ours, theirs: f"image score from {_top(ours)} instead of {_top(theirs)}",
    "sigma": lambda ours, theirs: f"sigma {ours:g} instead of {theirs:g}",
    "rotate": _turned,
    "rotation": lambda ours, theirs: f"references turned {_ROTATIONS[ours]} instead of {_ROTATIONS[theirs]}",
    "mask": lambda ours, theirs: "no masking" if ours == "never" else "masks always instead of where the test passes",
    "mask_growth": lambda ours, theirs: f"mask grown {_GROWTHS[ours]} instead of {_GROWTHS[theirs]}",
    "batch_share": lambda ours, theirs: f"{_closest(ours)} of the batch instead of {_closest(theirs)}",
    "stretch_maps": lambda ours, theirs: f"maps laid over {_areas(ours)} instead of {_areas(theirs)}",
}


def _top(share: float) -> str:
    return f"the highest {100 * share:g}% of patches" if share else "the highest patch"


def _closest(share: float) -> str:
    return f"the closest {100 * share:g}% of patches" if share else "the nearest patch"


def _areas(stretched: bool) -> str:
    return "the whole image" if stretched else "what the network saw"


def part_of(categories: Sequence[str], of: int) -> str:
    """That a run covers only some categories of a data set; of: their number."""
    if len(categories) == 1:
        return f"ONE category of {of} ({categories[0]})"
    return f"{len(categories)} categories of {of} ({', '.join(categories)})"


def published_protocol(theirs: Setting) -> str:
    """The protocol of a published number in words, without what is unknown."""
    options = theirs.options
    words = [theirs.run_by or "run by the method's authors"]
    words += [_network(theirs.backbone)] if theirs.backbone else []
    words += [f"{options['resize']} px"] if "resize" in options else []
    words += [f"crop {options['crop']}"] if "crop" in options else []
    words += [f"coreset {_coreset(options['coreset'])}"] if "coreset" in options else []
    return ", ".join(words)


def own_protocol(setup: Setup) -> str:
    """The protocol of our runs in words."""
    p, o = setup.protocol, setup.protocol.options
    words = [_network(p.backbone), f"{o['resize']} px"]
    words += [" + ".join(o["layers"])] if o["layers"] else []
    if p.method == "winclip":
        return ", ".join([*words, f"temperature {o['temperature']:g}", f"{o['aspect']} sides"])
    if p.method == "patchcore":
        words += [f"crop {o['crop']}" if o["crop"] else "no crop", f"{o['pooling']} pooling", o["distance"]]
        words += [f"coreset {_coreset(o['coreset'])} {'' if o['coreset'] == 1.0 else o['coreset_method']}".strip()]
        words += [f"eq. 7, b = {o['reweight']}"] if o["reweight"] else []
    else:
        words += [_TURNS[setup.turned], f"mask {o['mask']}", *_switched(o)]
    words += [f"window {o['neighbourhood']}", f"score from {_top(o['top_share'])}"]
    return ", ".join(words + ([f"{o['aspect']} sides"] if o["aspect"] != "keep" else []))


def _switched(options: Mapping[str, Any]) -> list[str]:
    """The switches of AnomalyDINO's official code that are on, in words."""
    words = {
        "rotation": "turned half a pixel beside the centre",
        "mask_growth": "mask grown along rows",
        "batch_share": f"batch: {_closest(options['batch_share'])}",
        "stretch_maps": "maps over the whole image",
    }
    defaults = AnomalyDINO.parameter_defaults()
    return [word for name, word in words.items() if options[name] != defaults[name]]
