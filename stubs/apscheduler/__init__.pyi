# APScheduler 3: what an application that starts a scheduler and gives it jobs touches.
# `python -m mypy.stubtest --mypy-config-file mypy.ini --ignore-missing-stub apscheduler` agrees.

release: str
version_info: tuple[int | str, ...]
version: str
__version__: str
