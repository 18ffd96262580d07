from fastapi import FastAPI

from fastapi_sqlalchemy import DBSessionMiddleware

from . import routers
from .errors import answer_errors
from .models import db

app = FastAPI(title="A shop")
app.add_middleware(DBSessionMiddleware, db=db)
app.include_router(routers.products)
app.include_router(routers.orders)
answer_errors(app)
