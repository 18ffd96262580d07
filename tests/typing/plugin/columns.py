"""Columns and relationships without an annotation."""

from typing import assert_type

from sqlalchemy import Column, ForeignKey, Integer, String
from sqlalchemy.orm import InstrumentedAttribute, mapped_column, relationship

from fastapi_sqlalchemy import SQLAlchemy

db = SQLAlchemy("sqlite://")


class Author(db.Base):
    __tablename__ = "authors"

    id = Column(Integer, primary_key=True)
    name = Column(String, nullable=False)
    motto = mapped_column(String)
    works = relationship("Work", back_populates="author")


class Work(db.Base):
    __tablename__ = "works"

    id = Column(Integer, primary_key=True)
    author_id = Column(ForeignKey("authors.id"), nullable=False)
    author = relationship("Author", back_populates="works")


def columns(author: Author) -> None:
    """`name = Column(String)` and `mapped_column(String)`"""
    assert_type(Author.name, InstrumentedAttribute[str])
    assert_type(Author.motto, InstrumentedAttribute[str | None])
    assert_type(author.id, int)
    assert_type(author.name, str)
    assert_type(author.motto, str | None)
    assert_type(Author.query.pluck(Author.motto), list[str | None])
    author.name = None  # type: ignore[assignment]


def relationships(author: Author, work: Work) -> None:
    """`relationship("Work")`"""
    assert_type(author.works, list[Work])
    assert_type(work.author, Author)
    author.works.append(author)  # type: ignore[arg-type]
