"""That there is no plan for something, which is no error: SQLAlchemy does it."""

__all__ = ["Refused"]


class Refused(Exception):
    """There is no plan for this; the message says why."""
