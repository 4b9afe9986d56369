"""From a user's choices to stored results: protocol, run, threshold, sweep."""

from adlib.experiments.calibrate import explain
from adlib.experiments.choices import Choices
from adlib.experiments.execution import package_versions, run
from adlib.experiments.notebook import check_parameters, json_parameter
from adlib.experiments.planning import Machine, build, plan
from adlib.experiments.presets import DEEP_LAYERS, method_options
from adlib.experiments.protocol import Protocol
from adlib.experiments.repository import committed_results, repository_file, stored_localisation, stored_results
from adlib.experiments.store import Result, ResultStore, as_frame, scores_by_method, with_same_seeds
from adlib.experiments.sweep import Sweep, run_sweep

__all__ = [
    "DEEP_LAYERS",
    "Choices",
    "Machine",
    "Protocol",
    "Result",
    "ResultStore",
    "Sweep",
    "as_frame",
    "build",
    "check_parameters",
    "committed_results",
    "explain",
    "json_parameter",
    "method_options",
    "package_versions",
    "plan",
    "repository_file",
    "run",
    "run_sweep",
    "scores_by_method",
    "stored_localisation",
    "stored_results",
    "with_same_seeds",
]
