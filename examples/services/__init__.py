"""A shop in services: routers ask services, services ask repositories, tests are beside them.

    python -m examples.services
    DATABASE_URL=postgresql://user:password@localhost/name python -m examples.services

makes `example.db` in the working directory, or the missing tables in that database, and serves:

    curl http://127.0.0.1:8000/products --json '{"code": "PEN", "name": "Pen", "price": "2.50"}'
    curl http://127.0.0.1:8000/products/1/stock --json '{"quantity": 10}'
    curl http://127.0.0.1:8000/products?text=pen
    curl http://127.0.0.1:8000/orders --json '{"email": "ada@example.com", "lines": [{"code": "PEN", "quantity": 2}]}'
    curl http://127.0.0.1:8000/orders/1
    curl http://127.0.0.1:8000/orders?email=ada@example.com

`pytest examples/services` runs its tests.
"""  # noqa: E501 - a command is one line
