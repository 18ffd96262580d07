"""The admin page as people use it: in Chromium, which runs its scripts."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.interpreter import ROOT
from tests.serving import Program, RunProgram

pytestmark = pytest.mark.slow

PATIENCE = 20.0

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # it would look for its makers' servers, and wait
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
]


def found(*names: str) -> str:
    """The path of a program, by the first of its names that is installed; skips without one."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"{names[0]} is not installed: `apt-get install chromium chromium-driver`")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    options = Options()
    options.binary_location = found("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,1000"):
        options.add_argument(flag)
    service = Service(found("chromedriver", "chromium.chromedriver"))
    driver = webdriver.Chrome(options, service)
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


@pytest.fixture(params=["sqlite_file_url", "postgres_url"])
def program(request: pytest.FixtureRequest, run_program: RunProgram, tmp_path: Path) -> Program:
    return run_program(
        *("-m", "tests.interop.admin", request.getfixturevalue(request.param)),
        env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PORT": "0"},
        cwd=tmp_path,
    )


class Admin:
    """Somebody who works on the admin page of a program."""

    def __init__(self, browser: WebDriver, program: Program) -> None:
        self.browser, self.program = browser, program
        # a page that is being left takes its elements with it
        self.waiting = WebDriverWait(
            browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException]
        )

    def open(self, path: str) -> None:
        self.browser.get(f"{self.program.url}/admin/{path}")

    def fill_in(self, **values: str) -> None:
        for name, value in values.items():
            field = self.browser.find_element(By.NAME, name)
            if field.tag_name == "select":
                Select(field).select_by_value(value)
            else:
                field.clear()
                field.send_keys(value)

    def press(self, selector: str) -> None:
        self.waiting.until(expected.element_to_be_clickable((By.CSS_SELECTOR, selector))).click()

    def save(self) -> None:
        """Save a form, which leads to the list."""
        self.press("input[value='Save']")
        self.waiting.until(expected.url_matches(r"/list$"))

    def rows(self) -> list[list[str]]:
        """What the list shows, but for the first two columns, which are buttons."""
        rows = self.browser.find_elements(By.CSS_SELECTOR, "tbody tr")
        return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")[2:]] for row in rows]

    def stored(self) -> list[str]:
        """The same by the application's own API."""
        codes: list[str] = httpx.get(f"{self.program.url}/products", trust_env=False).json()
        return codes


def test_records_are_created_listed_changed_and_deleted(
    browser: WebDriver, program: Program
) -> None:
    admin = Admin(browser, program)
    admin.open("supplier/create")
    admin.fill_in(name="Ada & Sons")
    admin.save()
    assert admin.rows() == [["1", "Ada & Sons"]]

    for code in ("p1", "p2"):
        admin.open("product/create")
        admin.fill_in(code=code, price="2.50", state="PLANNED", supplier="1")
        admin.save()
    assert [row[:2] for row in admin.rows()] == [["1", "P1"], ["2", "P2"]]
    assert admin.stored() == ["P1", "P2"]

    admin.press("a[href$='/product/edit/2']")
    admin.fill_in(code="p3")
    admin.save()
    assert admin.stored() == ["P1", "P3"]

    admin.press("a[data-pk='1']")
    admin.press("#modal-delete-button")
    admin.waiting.until(lambda _: len(admin.rows()) == 1)
    assert [row[:2] for row in admin.rows()] == [["2", "P3"]]
    assert admin.stored() == ["P3"]

    program.stop()
    assert program.process.returncode == 0
    assert program.output.count("\n") == 1, "nothing but the address: no warning, no traceback"
