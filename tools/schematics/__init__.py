"""The chapters' schematics: what each method learns and how it judges, drawn in one style, as SVG.

    python -m tools.refresh schematics      writes them to notebooks/schematics/

Words are at least 20 units of a width of 800, so that they can be read at half width.
"""

from collections.abc import Callable
from pathlib import Path

from adlib.files import atomic_write
from tools.schematics import basics, methods, reproductions, settings

SCHEMATICS: dict[str, Callable[[], str]] = {
    "00_families": basics.families,
    "01_scores": basics.scores_and_threshold,
    "02_teacher_student": methods.teacher_student,
    "03_one_class": methods.one_class,
    "04_gaussian": methods.gaussian,
    "05_normalizing_flow": methods.flow,
    "06_memory_bank": methods.memory_bank,
    "07_reconstruction": methods.reconstruction,
    "08_anomaly_synthesis": methods.anomaly_synthesis,
    "08_cutpaste": methods.cutpaste,
    "09_supervised": settings.supervised,
    "10_few_shot": settings.few_shot,
    "11_zero_shot": settings.zero_shot,
    "12_noisy": settings.noisy_data,
    "13_3d": settings.point_clouds,
    "14_comparison": basics.comparison,
    "15_thresholds": basics.threshold_by_rank,
    "16_comparing_methods": basics.three_intervals,
    "17_after_patchcore": methods.after_patchcore,
    "18_real_defects": methods.real_defects,
    "19_zero_shot_images": settings.images_alone,
    "20_patchcore": reproductions.patchcore,
    "21_anomalydino": reproductions.anomalydino,
    "22_sweep": reproductions.sweep,
    "23_own_images": reproductions.own_images,
    "24_published_tables": reproductions.published_tables,
    "25_broken_promises": reproductions.broken_promises,
}


def write_schematics(folder: Path) -> None:
    """Write every schematic as NAME.svg, atomically, into a folder that may be new."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in SCHEMATICS.items():
        with atomic_write(folder / f"{name}.svg") as file:
            file.write(draw())
