from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final, TextIO, TypeVar

from apscheduler.events import EVENT_ALL
from apscheduler.executors.base import BaseExecutor
from apscheduler.job import Job
from apscheduler.jobstores.base import BaseJobStore
from apscheduler.triggers.base import BaseTrigger

STATE_STOPPED: Final = 0
STATE_RUNNING: Final = 1
STATE_PAUSED: Final = 2

_F = TypeVar("_F", bound=Callable[..., object])

class BaseScheduler(metaclass=ABCMeta):
    state: int
    timezone: tzinfo
    jobstore_retry_interval: float
    def __init__(self, gconfig: Mapping[str, Any] = {}, **options: Any) -> None: ...
    def configure(
        self,
        gconfig: Mapping[str, Any] = {},
        prefix: str | None = "apscheduler.",
        **options: Any,
    ) -> None: ...
    def start(self, paused: bool = False) -> None: ...
    @abstractmethod
    def shutdown(self, wait: bool = True) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    @property
    def running(self) -> bool: ...
    def add_executor(
        self, executor: BaseExecutor | str, alias: str = "default", **executor_opts: Any
    ) -> None: ...
    def remove_executor(self, alias: str, shutdown: bool = True) -> None: ...
    def add_jobstore(
        self, jobstore: BaseJobStore | str, alias: str = "default", **jobstore_opts: Any
    ) -> None: ...
    def remove_jobstore(self, alias: str, shutdown: bool = True) -> None: ...
    # The class of the event follows from `mask`, which only the caller knows.
    def add_listener(self, callback: Callable[[Any], object], mask: int = EVENT_ALL) -> None: ...
    def remove_listener(self, callback: Callable[[Any], object]) -> None: ...
    def add_job(
        self,
        func: Callable[..., object] | str,
        trigger: BaseTrigger | str | None = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: int | None = ...,
        coalesce: bool = ...,
        max_instances: int = ...,
        next_run_time: datetime | None = ...,
        jobstore: str = "default",
        executor: str = "default",
        replace_existing: bool = False,
        **trigger_args: Any,
    ) -> Job: ...
    def scheduled_job(
        self,
        trigger: BaseTrigger | str | None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        id: str | None = None,
        name: str | None = None,
        misfire_grace_time: int | None = ...,
        coalesce: bool = ...,
        max_instances: int = ...,
        next_run_time: datetime | None = ...,
        jobstore: str = "default",
        executor: str = "default",
        **trigger_args: Any,
    ) -> Callable[[_F], _F]: ...
    def modify_job(self, job_id: str, jobstore: str | None = None, **changes: Any) -> Job: ...
    def reschedule_job(
        self,
        job_id: str,
        jobstore: str | None = None,
        trigger: BaseTrigger | str | None = None,
        **trigger_args: Any,
    ) -> Job: ...
    def pause_job(self, job_id: str, jobstore: str | None = None) -> Job: ...
    def resume_job(self, job_id: str, jobstore: str | None = None) -> Job | None: ...
    def get_jobs(self, jobstore: str | None = None, pending: bool | None = None) -> list[Job]: ...
    def get_job(self, job_id: str, jobstore: str | None = None) -> Job | None: ...
    def remove_job(self, job_id: str, jobstore: str | None = None) -> None: ...
    def remove_all_jobs(self, jobstore: str | None = None) -> None: ...
    def print_jobs(self, jobstore: str | None = None, out: TextIO | None = None) -> None: ...
    @abstractmethod
    def wakeup(self) -> None: ...
