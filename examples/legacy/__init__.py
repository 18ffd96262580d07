"""The older form: the global `db`, which the middleware tells its URL.

    python -m examples.legacy

makes `example.db` in the working directory and serves:

    curl http://127.0.0.1:8000/users
    curl http://127.0.0.1:8000/add_user --json '{"name": "Ada", "email": "ada@example.com"}'
    curl http://127.0.0.1:8000/update_user --json '{"id": 1, "name": "Ada Lovelace"}'
"""
