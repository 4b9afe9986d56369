"""`adlib --version`, and with `--verbose` the machine's details for a bug report."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from adlib import __version__

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "pillow", "papermill")


def lines(verbose: bool = False) -> Iterator[str]:
    """The version in one line, or with `verbose` several lines `name: value`."""
    if not verbose:
        yield f"adlib {__version__}"
        return
    yield f"adlib: {__version__}"
    yield f"python: {platform.python_version()}"
    yield f"platform: {platform.platform()}"
    yield from (f"{package}: {_version(package)}" for package in PACKAGES)
    yield from _machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _machine() -> Iterator[str]:
    import torch

    from adlib.files import default_cache_folder

    gpu = torch.cuda.is_available()
    yield f"device: {f'cuda ({torch.cuda.get_device_name()})' if gpu else 'cpu'}"
    yield f"cores: {os.cpu_count()}"
    yield f"cache: {default_cache_folder()}"
