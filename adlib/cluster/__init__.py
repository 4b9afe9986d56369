"""Runs on the workers of a Dask scheduler: this machine's, a second workstation's, or those of a cluster's queue.

`connect` finds the scheduler, `check_workers` refuses workers that would give other numbers, `run_tasks` sends tasks
and stores what comes back, and `perform` is what a worker does with one task. docs/cluster.md shows how to start both.
"""

from adlib.cluster.connection import check_workers, connect
from adlib.cluster.fitness import Needs
from adlib.cluster.sweeps import run_sweep_on
from adlib.cluster.tasks import Task
from adlib.cluster.units import Outputs, run_tasks

__all__ = ["Needs", "Outputs", "Task", "check_workers", "connect", "run_sweep_on", "run_tasks"]
