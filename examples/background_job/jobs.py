from .models import User, UserCount, db


def count_users_task() -> None:
    """Count the users and keep the number."""
    # No middleware surrounds a job: `db()` opens a session, and closes it at the end of the block.
    with db():
        UserCount(number=User.query.count()).save()
