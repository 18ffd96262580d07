from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from fastapi_sqlalchemy import register_exception_handlers


class OutOfStock(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(f"There is not enough of {code}")


class NotOpen(Exception):
    def __init__(self) -> None:
        super().__init__("This order was cancelled already")


async def refuse(_: Request, error: Exception) -> JSONResponse:
    """An answer of the shape that `register_exception_handlers` gives the others."""
    problem = {"type": "about:blank", "title": "Conflict", "status": 409, "detail": str(error)}
    return JSONResponse(problem, 409, media_type="application/problem+json")


def answer_errors(app: FastAPI) -> None:
    register_exception_handlers(app)
    for kind in (OutOfStock, NotOpen):
        app.add_exception_handler(kind, refuse)
