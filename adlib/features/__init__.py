"""Image features: frozen backbones and their weights, patches, and the cache on disk."""

from adlib.features.backbones import BACKBONES, Backbone, load_backbone
from adlib.features.cache import TensorCache
from adlib.features.extract import FeatureSpec, ImageFeatures, extract
from adlib.features.patches import Frame, Preprocess, grid_size, patch_vectors

__all__ = [
    "BACKBONES",
    "Backbone",
    "FeatureSpec",
    "Frame",
    "ImageFeatures",
    "Preprocess",
    "TensorCache",
    "extract",
    "grid_size",
    "load_backbone",
    "patch_vectors",
]
