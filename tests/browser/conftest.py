"""One house and one Chromium for all the tests."""

import itertools
import pytest
from playwright.sync_api import sync_playwright

from house import BOX, PANEL, ROOT, ZONE, House, run

SHOTS = ROOT / "target/browser/shots"
PASSWORD = "une phrase dont on se souvient"
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def house():
    with House() as house:
        yield house


@pytest.fixture(scope="session")
def chromium(house):
    """Chromium on the Internet, that trusts the house's authority as an administrator would
    have it do."""
    home = house.folder / "home"
    trusted = home / ".pki/nssdb"
    trusted.mkdir(parents=True)
    run("certutil", "-N", "-d", f"sql:{trusted}", "--empty-password")
    run("certutil", "-A", "-d", f"sql:{trusted}", "-n", "house", "-t", "C,,",
        "-i", house.folder / "state/ca.pem")
    program = house.folder / "chromium"
    enter = " ".join(house.enter(house.internet))
    program.write_text(f'#!/bin/sh\nexec {enter} /usr/bin/chromium "$@"\n')
    program.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, env={"HOME": str(home)},
            args=[f"--host-resolver-rules=MAP *.{ZONE} {BOX}"])
        yield browser
        browser.close()


class Student:
    """Someone with an account, a key, and a browser that looks like this."""

    def __init__(self, house, chromium, look, login=None, room=None):
        number = next(numbers)
        self.login, self.room = login or f"ada{number}", room or f"blog{number}"
        self.key = house.make_key(self.login)
        house.make_account(self.login, PASSWORD)
        self.house, self.look, self.complaints = house, look, []
        self.context = chromium.new_context(
            base_url=PANEL, locale=look.language, color_scheme=look.scheme,
            java_script_enabled=look.script, **look.screen)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=PANEL)
        self.context.on("console", self.heard)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page = self.context.new_page()

    def heard(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def shoot(self, name):
        self.shoot_page(self.page, name)

    def shoot_page(self, page, name):
        """Keeps what a page looks like, whole."""
        file = SHOTS / str(self.look) / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=file, full_page=True, animations="disabled")

    def sign_in(self):
        self.page.goto("/")
        self.page.locator("#login").fill(self.login)
        self.page.locator("#password").fill(PASSWORD)
        self.page.locator("form[action='/sign-in'] button").click()

    def make_room(self):
        self.page.goto("/new-room")
        self.page.locator("#name").fill(self.room)
        self.page.locator("#keys").fill(self.key)
        self.page.locator("form.fields button").click()
        self.page.wait_for_url(f"**/rooms/{self.room}")

    def is_now(self, state):
        """Waits until the room is in this state, and nothing is under way."""
        self.page.locator(f".room[data-state={state}]").wait_for(timeout=60_000)
        self.page.locator(".now").wait_for(state="detached")


@pytest.fixture
def student(house, chromium):
    """Makes students; closes their browsers and removes their rooms."""
    made = []

    def make(look, **names):
        made.append(Student(house, chromium, look, **names))
        return made[-1]

    yield make
    if not house.manager.is_running():
        house.start_core()
    for one in made:
        one.context.close()
        for room in house.piaule("account", "show", one.login)["account"]["rooms"]:
            house.piaule("destroy", room, "--yes")
