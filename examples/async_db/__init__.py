"""Awaited routes and typed models, on SQLite or PostgreSQL.

    python -m examples.async_db
    DATABASE_URL=postgresql://user:password@localhost/name python -m examples.async_db

makes `example.db` in the working directory, or the missing table in that database, and serves:

    curl http://127.0.0.1:8000/users
    curl http://127.0.0.1:8000/add_user --json '{"name": "Ada", "email": "ada@example.com"}'
    curl http://127.0.0.1:8000/update_user --json '{"id": 1, "name": "Ada Lovelace"}'
"""
