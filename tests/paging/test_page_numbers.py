"""The arithmetic of pages, and what a page is as an object."""

import copy
import json
import pickle
from typing import Any, get_origin

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from fastapi_sqlalchemy import CursorPage, Page


def page_of(page: int, *, total: int, per_page: int = 10) -> Page[int]:
    return Page([], page=page, per_page=per_page, total=total)


@pytest.mark.parametrize(
    ("total", "pages"), [(0, 0), (1, 1), (9, 1), (10, 1), (11, 2), (20, 2), (21, 3)]
)
def test_the_number_of_pages_is_rounded_up(total: int, pages: int) -> None:
    assert page_of(1, total=total).pages == pages


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [(1, None, 2), (2, 1, 3), (3, 2, None), (4, 3, None)],
)
def test_the_neighbours_of_a_page(page: int, before: int | None, after: int | None) -> None:
    found = page_of(page, total=21)
    assert (found.prev_num, found.next_num) == (before, after)
    assert (found.has_prev, found.has_next) == (before is not None, after is not None)


def test_a_page_without_a_total_is_told_whether_one_follows() -> None:
    page = Page([1], page=2, per_page=1, has_next=True)
    assert (page.total, page.pages, page.next_num, page.prev_num) == (None, None, 3, 1)


@pytest.mark.parametrize(
    ("page", "total", "options", "numbers"),
    [
        pytest.param(1, 195, {}, [1, 2, 3, 4, 5, None, 19, 20], id="at the left"),
        pytest.param(
            10, 195, {}, [1, 2, None, 8, 9, 10, 11, 12, 13, 14, None, 19, 20], id="inside"
        ),
        pytest.param(20, 195, {}, [1, 2, None, 18, 19, 20], id="at the right"),
        pytest.param(4, 195, {}, [1, 2, 3, 4, 5, 6, 7, 8, None, 19, 20], id="joined to the left"),
        pytest.param(15, 195, {}, [1, 2, None, *range(13, 21)], id="joined to the right"),
        pytest.param(1, 0, {}, [], id="none"),
        pytest.param(1, 10, {}, [1], id="one"),
        pytest.param(30, 195, {}, [1, 2, None, 19, 20], id="past the end"),
        pytest.param(
            10, 195, {"left_edge": 0, "right_edge": 0}, [None, *range(8, 15), None], id="no edges"
        ),
        pytest.param(
            10,
            195,
            {"left_current": 0, "right_current": 0},
            [1, 2, None, 10, None, 19, 20],
            id="the page alone",
        ),
    ],
)
def test_the_numbers_for_links_are_those_of_flask_sqlalchemy(
    page: int, total: int, options: dict[str, int], numbers: list[int | None]
) -> None:
    assert list(page_of(page, total=total).iter_pages(**options)) == numbers


PAGES: list[Any] = [
    Page([1, 2], page=2, per_page=2, total=5),
    Page([1, 2], page=2, per_page=2, has_next=True),
    CursorPage([1, 2], next="n", previous="p"),
    CursorPage([1, 2]),
]
each = pytest.mark.parametrize("page", PAGES, ids=["page", "uncounted", "cursors", "one"])


@each
def test_a_page_is_iterated_and_measured(page: Any) -> None:
    assert list(page) == [1, 2]
    assert len(page) == 2


@each
def test_a_mapped_page_keeps_its_place(page: Any) -> None:
    mapped = page.map(str)
    assert mapped.items == ["1", "2"]
    assert {**dict(mapped), "items": 0} == {**dict(page), "items": 0}
    assert page.items == [1, 2]


@each
def test_a_page_does_not_change(page: Any) -> None:
    with pytest.raises(AttributeError, match="cannot set `items`"):
        page.items = []
    with pytest.raises(AttributeError, match="cannot delete `items`"):
        del page.items
    with pytest.raises(AttributeError):
        page.other = 1
    assert not hasattr(page, "__dict__")


@each
def test_a_page_is_compared_copied_and_pickled_by_value(page: Any) -> None:
    assert pickle.loads(pickle.dumps(page)) == copy.copy(page) == copy.deepcopy(page) == page
    assert page != page.map(str)
    assert page != 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(page)


def test_a_page_shows_its_place_and_no_record() -> None:
    assert [repr(page) for page in PAGES[1:3]] == [
        "<Page of 2 items, page=2, per_page=2, total=None, has_next=True>",
        "<CursorPage of 2 items, next='n', previous='p'>",
    ]


@each
def test_a_page_is_a_dictionary_of_what_it_tells(page: Any) -> None:
    assert dict(page) == {name: getattr(page, name) for name in page.keys()}  # noqa: SIM118 - iterating gives items
    with pytest.raises(KeyError):
        page["map"]


class Item(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    name: str


class Record:
    def __init__(self, name: str) -> None:
        self.name, self.secret = name, "secret"


@pytest.mark.parametrize("kind", [Page[Item], CursorPage[Item]])
def test_pydantic_reads_the_items_of_a_page_and_its_own_json(kind: Any) -> None:
    adapter = TypeAdapter(kind)
    given = {"page": 1, "per_page": 2, "total": 3} if get_origin(kind) is Page else {"next": "n"}
    page = adapter.validate_python(kind([Record("a"), Record("b")], **given))
    assert page.items == [Item(name="a"), Item(name="b")]
    written = adapter.dump_json(page)
    assert json.loads(written)["items"] == [{"name": "a"}, {"name": "b"}]
    assert json.loads(written).keys() == set(page.keys())
    assert adapter.validate_json(written) == page
    assert adapter.dump_python(page)["items"] == [{"name": "a"}, {"name": "b"}]


def test_pydantic_refuses_a_page_of_other_items() -> None:
    with pytest.raises(ValidationError, match=r"items\.0\n"):
        TypeAdapter(Page[Item]).validate_python(Page([object()], page=1, per_page=1))


def test_pydantic_takes_a_page_of_anything() -> None:
    page = Page([1, "a"], page=1, per_page=2, total=2)
    assert TypeAdapter(Page).validate_python(page) == page


def test_the_schema_of_a_page_says_what_its_items_are() -> None:
    for mode in ("serialization", "validation"):
        schema = TypeAdapter(list[Page[Item]]).json_schema(mode=mode)
        page = schema["$defs"]["Page_Item_"]
        assert page["title"] == "Page[Item]"
        assert page["properties"]["items"]["items"] == {"$ref": "#/$defs/Item"}
        assert page["properties"]["next_num"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
        assert set(page["required"]) == set(page["properties"])
