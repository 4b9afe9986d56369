"""Point clouds from files: PLY, PCD, NPZ, and organised RGB-D as MVTec 3D-AD has it; anything to one `Cloud` in mm."""

from adlib.data.clouds.cloud import Cloud, as_cloud
from adlib.data.clouds.reading import READERS, read_cloud, read_rgbd

__all__ = ["READERS", "Cloud", "as_cloud", "read_cloud", "read_rgbd"]
