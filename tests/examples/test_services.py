"""Services: a crowd that orders the same things gets what there is, and the tests are its own."""

import asyncio
import os
import subprocess
import sys
from collections import Counter

import httpx
import pytest

from tests.examples.conftest import Client, Example
from tests.interpreter import ROOT

PEN = {"code": "PEN", "name": "Pen", "price": "2.50"}
INK = {"code": "INK", "name": "Ink", "price": "4.00"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_crowd_gets_what_there_is_and_no_more(
    kind: str, example: Example, client: Client, request: pytest.FixtureRequest
) -> None:
    url = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if kind != "sqlite" else {}
    program = example("services", **url)
    api = client(program)
    for product in (PEN, INK):
        ident = api.post("/products", json=product).json()["id"]
        assert api.post(f"/products/{ident}/stock", json={"quantity": 10}).status_code == 200

    async def order_all() -> list[int]:
        async with httpx.AsyncClient(base_url=program.url, trust_env=False) as crowd:

            async def order(*codes: str) -> int:
                lines = [{"code": code, "quantity": 1} for code in codes]
                wanted = {"email": "ada@example.com", "lines": lines}
                return (await crowd.post("/orders", json=wanted, timeout=60)).status_code

            both = ("PEN", "INK")
            return await asyncio.gather(*(order(*both[:: 1 - 2 * (n % 2)]) for n in range(30)))

    # each order names the products in one order or the other: locks could be taken crosswise
    assert Counter(asyncio.run(order_all())) == {201: 10, 409: 20}
    assert [item["stock"] for item in api.get("/products").json()["items"]] == [0, 0]


def test_its_tests_pass_from_its_folder_on_a_server_too(postgres_url: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        check=False,
        cwd=ROOT / "examples" / "services",
        env={**os.environ, "TEST_DATABASE_URL": postgres_url, "PYTEST_ADDOPTS": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout
