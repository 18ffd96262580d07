"""A scheduled job, which works outside of every request: `with db():`.

    COUNT_EVERY=5 python -m examples.background_job

makes `example.db` in the working directory, counts the users every five seconds (every minute
unless told otherwise) and serves:

    curl http://127.0.0.1:8000/add_user --json '{"name": "Ada", "email": "ada@example.com"}'
    curl http://127.0.0.1:8000/users
    curl http://127.0.0.1:8000/user_counts
"""
