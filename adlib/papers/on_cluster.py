"""A paper's table on a cluster: what `reproduce` does, by workers that give back results."""

from distributed import Client

from adlib.cluster import Needs, Outputs, Task, check_workers, run_tasks
from adlib.cluster.tasks import Source, elsewhere
from adlib.data import Dataset
from adlib.data.names import real_path
from adlib.experiments.failures import Failure
from adlib.experiments.store import ResultStore
from adlib.papers.reproduction import Reproduction, planned


def reproduce_on(
    client: Client, job: Reproduction, dataset: Dataset, retry_failed: bool = False, show_progress: bool = True
) -> list[Failure]:
    """Do every run of a job that is neither in its results folder nor failed before.

    A worker keeps the features of a category in its own folder until the category is done.

    client: of the scheduler.
    job: what to reproduce.
    dataset: from `check_data`.
    retry_failed: whether to repeat runs that failed.
    show_progress: whether to show a progress bar.
    Returns all failed runs. Raises InputError as `check_workers` and `run_tasks` do.
    """
    needs = Needs.here(job.machine.weights, job.data)
    check_workers(client, needs)
    reading = {"source": str(real_path(job.data))}
    tasks = [
        Task(needs, Source(reading, p.category, dataset.name), elsewhere(job.machine), (p,), own_cache=True)
        for p in planned(job, dataset)
    ]
    how = {"retry_failed": retry_failed, "label": job.paper, "show_progress": show_progress}
    return run_tasks(client, tasks, Outputs(ResultStore(job.results)), **how)[1]
