"""Work done by several processes, or here where one is enough."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from threadpoolctl import threadpool_limits

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> list[Result]:
    """Results in the order of the tasks; how far it is goes to the error stream.

    Args:
        work: what is done, one thread each.
        tasks: to do.
        jobs: processes; 1 does them here.
    """
    found: list[Result] = []
    every = max(1, len(tasks) // 50)
    if jobs == 1:
        with threadpool_limits(1):
            for task in tasks:
                found.append(work(task))
                _tell(len(found), len(tasks), every)
        return found
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for result in pool.map(work, tasks):
            found.append(result)
            _tell(len(found), len(tasks), every)
    return found


def _tell(done: int, whole: int, every: int) -> None:
    if done % every == 0 or done == whole:
        print(f"[{done}/{whole}]", file=sys.stderr, flush=True)


def _one_thread() -> None:
    threadpool_limits(1)
