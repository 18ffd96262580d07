from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from fastapi_sqlalchemy import DBSessionMiddleware

from .models import Post, User, posts_db, users_db

app = FastAPI()

# One session of each database, for the requests that use it.
app.add_middleware(DBSessionMiddleware, db=[users_db, posts_db])


class UserCreate(BaseModel):
    name: str
    email: str


class UserUpdate(BaseModel):
    id: int
    name: str | None = None
    email: str | None = None


class PostCreate(BaseModel):
    user_id: int
    title: str
    content: str


@app.get("/users")
def get_users() -> list[User]:
    users: list[User] = User.query.all()
    return users


@app.post("/add_user")
def add_user(user_data: UserCreate) -> dict[str, str]:
    user = User(**user_data.model_dump())
    user.save()
    return {"message": "User created successfully"}


@app.post("/update_user")
def update_user(user_data: UserUpdate) -> User:
    user: User | None = User.get(id=user_data.id)
    if user is None:
        raise HTTPException(404, "User not found")
    user.update(**user_data.model_dump(exclude={"id"}, exclude_unset=True))
    return user


@app.get("/posts")
def get_posts(user_id: int | None = None) -> list[Post]:
    query = Post.query.order_by(Post.id)
    if user_id is not None:
        query = query.filter_by(user_id=user_id)
    posts: list[Post] = query.all()
    return posts


@app.post("/add_post")
def add_post(post_data: PostCreate) -> dict[str, str]:
    post = Post(**post_data.model_dump())
    post.save()
    return {"message": "Post created successfully"}
