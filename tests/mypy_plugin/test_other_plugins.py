"""The plugin and others work beside each other."""

from pathlib import Path

import pytest

from tests.mypy_plugin.checking import PLUGIN, Checker


@pytest.mark.slow
@pytest.mark.parametrize("plugins", [f"{PLUGIN}, pydantic.mypy", f"pydantic.mypy, {PLUGIN}"])
def test_pydantic_s_plugin_works_beside_it(plugins: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from pydantic import BaseModel\n"
        "from sqlalchemy import Column, Integer\n"
        "from fastapi_sqlalchemy import db\n"
        "class User(db.Base):\n"
        "    __tablename__ = 'users'\n"
        "    id = Column(Integer, primary_key=True)\n"
        "class UserOut(BaseModel):\n"
        "    id: int\n"
        "    class Config:\n"
        "        from_attributes = True\n"
        "UserOut.model_validate(User(id=1))\n"
        "UserOut(id=1, name='Ada')\n"
        "User(name='Ada')\n"
    )
    assert Checker(tmp_path, plugins=plugins).run("main.py") == (
        'main.py:13: error: Unexpected keyword argument "name" for "User"\n'
    )


def test_a_plugin_after_it_is_asked_about_the_bases_of_classes_too(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "from mypy.plugin import Plugin\n"
        "class Other(Plugin):\n"
        "    def get_customize_class_mro_hook(self, fullname):\n"
        "        return self.tell if fullname.startswith('main.') else None\n"
        "    def tell(self, context):\n"
        "        context.api.fail(f'{len(context.cls.info.mro)} ancestors', context.cls)\n"
        "def plugin(version):\n"
        "    return Other\n"
    )
    (tmp_path / "main.py").write_text("class A: ...\nclass B(A): ...\n")
    assert Checker(tmp_path, plugins=f"{PLUGIN}, other.py").run("main.py") == (
        "main.py:1: error: 2 ancestors\nmain.py:2: error: 3 ancestors\n"
    )
