from fastapi_sqlalchemy import SQLAlchemy

db = SQLAlchemy("sqlite://")
