import pytest
from click.testing import CliRunner

from benchmarks import imports
from benchmarks.__main__ import main


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    answer = CliRunner().invoke(main, ["--contestants", "active-record,nobody"])
    assert answer.exit_code == 2
    assert "found nobody, expected raw, active-record, repository," in answer.output


def test_a_part_can_be_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "IMPORTS", {"the standard library's json": "import json"})
    answer = CliRunner().invoke(main, ["--only", "imports", "--quick"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.startswith("## Import time")
    assert "| the standard library's json |" in answer.output
