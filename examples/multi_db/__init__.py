"""Two databases: users in one, their posts in the other.

    python -m examples.multi_db

makes `users.db` and `posts.db` in the working directory and serves:

    curl http://127.0.0.1:8000/users
    curl http://127.0.0.1:8000/add_user --json '{"name": "Ada", "email": "ada@example.com"}'
    curl http://127.0.0.1:8000/update_user --json '{"id": 1, "name": "Ada Lovelace"}'
    curl 'http://127.0.0.1:8000/posts?user_id=1'
    curl http://127.0.0.1:8000/add_post --json '{"user_id": 1, "title": "Notes", "content": "..."}'
"""
