"""A shot sweep on a cluster: what `run_sweep` does, by workers that give back results and executed notebooks."""

from collections.abc import Sequence

from distributed import Client

from adlib.cluster.connection import check_workers
from adlib.cluster.fitness import Needs
from adlib.cluster.tasks import Source, Task, elsewhere
from adlib.cluster.units import Outputs, run_tasks
from adlib.data.layouts import BUILT_IN
from adlib.experiments.failures import Failure
from adlib.experiments.sweep import Job, Sweep, notebook_parameters


def run_sweep_on(
    client: Client, sweep: Sweep, planned: Sequence[Job], retry_failed: bool = False, show_progress: bool = True
) -> tuple[bool, list[Failure]]:
    """Run the unfinished jobs on a cluster. Results are those of `run_sweep`, bit for bit.

    client: of the scheduler.
    sweep: what to run; its `workers` are not used.
    planned: its jobs.
    retry_failed: whether to repeat runs that failed.
    show_progress: whether to show a progress bar.
    Returns whether any job was run, and all failed runs. Raises InputError as `check_workers` and `run_tasks` do.
    """
    needs = Needs.here(sweep.weights, None if sweep.data in BUILT_IN else sweep.data)
    check_workers(client, needs)
    tasks = [_task(job, sweep, needs) for job in planned]
    outputs = Outputs(sweep.store, sweep.out / "notebooks")
    return run_tasks(client, tasks, outputs, retry_failed=retry_failed, show_progress=show_progress)


def _task(job: Job, sweep: Sweep, needs: Needs) -> Task:
    parameters = notebook_parameters(job, sweep)
    names = ("layout", "masks", "pages", "group", "split_seed")
    reading = {"source": parameters["data"]} | {name: getattr(sweep, name) for name in names}
    source = Source(reading, job.dataset.categories[0], job.dataset.name)
    return Task(needs, source, elsewhere(sweep.machine), job.protocols, notebook=parameters, title=job.title)
