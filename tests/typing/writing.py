"""Writing many rows."""

from typing import assert_type

from sqlalchemy import func

from tests.blog import User


def of_queries() -> None:
    """`update` and `delete` of a query"""
    assert_type(User.query.update(name="Ada"), int)
    assert_type(User.query.where(User.id > 1).update({User.name: func.upper(User.name)}), int)
    assert_type(User.query.delete(all_rows=True), int)
    User.query.delete(True)  # type: ignore[call-arg]  # a boolean by position
    User.query.update(["name"])  # type: ignore[arg-type]  # no mapping


def of_rows(returning: bool) -> None:
    """`insert_many`, `upsert`; with `returning=True` the records"""
    rows = [{"name": "Ada"}, {"name": "Grace"}]
    assert_type(User.insert_many(rows), int)
    assert_type(User.insert_many(iter(rows), returning=False), int)
    assert_type(User.insert_many(rows, returning=True), list[User])
    assert_type(User.insert_many([User(name="Ada")], returning=True), list[User])
    assert_type(User.insert_many(rows, returning=returning), int | list[User])
    User.insert_many(rows, progress=lambda done, total: done / (total or 1))
    User.insert_many(["Ada"])  # type: ignore[list-item]  # no mapping
    User.insert_many(rows, batch="all")  # type: ignore[call-overload]

    assert_type(User.upsert(rows, on="email"), int)
    assert_type(User.upsert(rows, on=(User.email,), update=()), int)
    assert_type(User.upsert(rows, on=["email"], returning=True), list[User])
    assert_type(User.upsert(rows, returning=returning), int | list[User])
    User.upsert(rows, on=1)  # type: ignore[call-overload]


async def awaited() -> None:
    """the same, awaited"""
    assert_type(await User.query.aupdate(name="Ada"), int)
    assert_type(await User.query.adelete(all_rows=True), int)
    assert_type(await User.ainsert_many([{"name": "Ada"}]), int)
    assert_type(await User.ainsert_many([{"name": "Ada"}], returning=True), list[User])
    assert_type(await User.aupsert([{"name": "Ada"}], on="email"), int)
    assert_type(await User.aupsert([{"name": "Ada"}], on="email", returning=True), list[User])
