"""How the method of a run differs from its defaults, in words: 'patchcore' in a sweep is not the paper's."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from adlib.detectors.registry import DETECTORS
from adlib.experiments.presets import OFFICIAL
from adlib.experiments.protocol import Protocol
from adlib.experiments.store import Result, as_frame

# Parameters of the input, not of the method: left out of the short title.
_INPUT = ("precision", "layers", "resize", "aspect", "crop", "window")
_MASKS = {"never": "no mask", "always": "always masked", "test": "masked where the mask test passes"}


def method_title(protocol: Protocol) -> str:
    """The method, with its differences from the defaults in brackets: 'patchcore (1,000 patches, top 1%)'."""
    words = [_short(name, value) for name, value in _changed(protocol).items() if name not in _INPUT]
    words += [f"{protocol.labelled} labelled defect{'s' * (protocol.labelled > 1)}"] if protocol.labelled else []
    return f"{protocol.method} ({', '.join(words)})" if words else protocol.method


def method_sentence(protocol: Protocol) -> str:
    """The method in a sentence, with all differences from the defaults, and the defaults."""
    changed, defaults = _changed(protocol), _defaults(protocol.method)
    if not changed:
        return f"{protocol.method} here: all parameters at their defaults."
    here = ", ".join(_long(name, value) for name, value in changed.items())
    usual = ", ".join(_long(name, defaults[name]) for name in changed if name in defaults)
    return f"{protocol.method} here: {here}" + (f" (by default: {usual})." if usual else ".")


def titled(results: Iterable[Result]) -> pd.DataFrame:
    """`as_frame`, with the title of each method as its name."""
    results = list(results)
    return as_frame(results).assign(method=[method_title(result.protocol) for result in results])


def _changed(protocol: Protocol) -> dict[str, Any]:
    """Options that differ from the method's defaults; the settings of the official code count as one option."""
    options, defaults = dict(protocol.options), _defaults(protocol.method)
    changed = {name: value for name, value in options.items() if name in defaults and value != defaults[name]}
    switches = OFFICIAL.get(protocol.method, {})
    if switches and switches.items() <= options.items():
        return {"official": True} | {name: value for name, value in changed.items() if name not in switches}
    return changed


def _defaults(method: str) -> Mapping[str, Any]:
    """Defaults as a protocol holds them: lists for tuples."""
    defaults = DETECTORS[method].parameter_defaults()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}


def _short(name: str, value: Any) -> str:
    words = {
        "official": "official code",
        "coreset": _patches(value),
        "top_share": f"top {_percent(value)}" if value else "maximum",
        "rotate": "rotated" if value else "not rotated",
        "rotation": f"{value} rotation",
        "mask": _MASKS.get(str(value), value),
        "mask_growth": f"mask grows along the {value}",
        "batch_share": f"closest {_percent(value)} of the batch" if value else "nearest of the batch",
        "stretch_maps": "maps stretched" if value else "maps not stretched",
    }
    return words.get(name) or f"{name} {_plain(value)}"


def _long(name: str, value: Any) -> str:
    limit = "at most " if isinstance(value, int) else ""
    words = {
        "official": "the settings of the official code",
        "coreset": f"{limit}{_patches(value)} in the bank",
        "top_share": f"image score = mean of the highest {_percent(value)} of patch scores"
        if value
        else "image score = the highest patch score",
        "rotate": "references rotated" if value else "references not rotated",
        "resize": f"shorter side {value} pixels" if value else "images at their own size",
    }
    return words.get(name) or _short(name, value)


def _patches(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,} patches"
    return f"{_percent(value)} of the patches" if isinstance(value, float) and value < 1 else "all patches"


def _percent(value: Any) -> str:
    return f"{100 * value:g}%" if isinstance(value, (int, float)) else str(value)


def _plain(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
