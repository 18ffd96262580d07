import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytz
from apscheduler.schedulers.background import BackgroundScheduler
from fastapi import FastAPI
from pydantic import BaseModel

from fastapi_sqlalchemy import DBSessionMiddleware

from .jobs import count_users_task
from .models import User, UserCount, db

COUNT_EVERY = float(os.environ.get("COUNT_EVERY", "60"))
"""Seconds."""


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    # The middleware has created the tables by now.
    scheduler = BackgroundScheduler(timezone=pytz.utc)
    scheduler.add_job(count_users_task, "interval", seconds=COUNT_EVERY)
    scheduler.start()
    yield
    scheduler.shutdown()


app = FastAPI(lifespan=lifespan)

app.add_middleware(DBSessionMiddleware, db=db)


class UserCreate(BaseModel):
    name: str
    email: str


@app.get("/users")
def get_users() -> list[User]:
    users: list[User] = User.query.all()
    return users


@app.post("/add_user")
def add_user(user_data: UserCreate) -> dict[str, str]:
    user = User(**user_data.model_dump())
    user.save()
    return {"message": "User created successfully"}


@app.get("/user_counts")
def get_user_counts() -> list[UserCount]:
    counts: list[UserCount] = UserCount.query.order_by(UserCount.id).all()
    return counts
