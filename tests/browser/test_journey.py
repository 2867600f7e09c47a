"""A student's way through the panel, on each kind of screen, in each language, with and without
JavaScript."""

import re

import pytest

from house import PANEL
from looks import ALL, Look

WORDS = {
    "fr": {"welcome": "Entre, c’est allumé", "running": "Allumée", "stopped": "Éteinte",
           "created": "La piaule est créée", "restarted": "La piaule a redémarré"},
    "en": {"welcome": "Come in, the light is on", "running": "On", "stopped": "Off",
           "created": "The room is created", "restarted": "The room has restarted"},
}
# What a creation is made of, as core names it; the pages must say it in words.
STEPS = {"publish", "network", "layer", "launch", "ready", "keys", "stop", "release"}


def is_sound(student):
    """Nothing sticks out, no picture is missing, no word is left as core has it."""
    page = student.page
    wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, f"{page.url} scrolls sideways"
    assert page.locator("html").get_attribute("lang") == student.look.language
    assert page.locator("h1").count() == 1
    for label in page.locator(".steps .label").all_inner_texts():
        assert label.split(",")[0] not in STEPS, f"{label} has no name in {student.look.language}"
    assert not student.complaints, student.complaints


@pytest.mark.parametrize("look", ALL, ids=str)
def test_a_room_from_sign_in_to_sign_out(student, look):
    words = WORDS[look.language]
    ada = student(look)
    page = ada.page

    page.goto("/")
    assert page.url == f"{PANEL}/sign-in"
    assert page.locator("h1").inner_text() == words["welcome"]
    is_sound(ada)
    ada.shoot("1-door")
    ada.sign_in()
    page.wait_for_url(f"{PANEL}/")
    is_sound(ada)
    ada.shoot("2-no-room-yet")

    page.locator("main a.button").click()
    page.wait_for_url("**/new-room")
    is_sound(ada)
    ada.shoot("3-new-room")
    ada.make_room()
    ada.shoot("4-under-way")
    ada.is_now("running")
    assert page.locator(".state").inner_text() == words["running"]
    assert page.locator("h3.job").inner_text() == words["created"]
    assert page.locator(".steps li").count() >= 4
    is_sound(ada)
    ada.shoot("5-running")

    line = page.locator("#ssh").inner_text()
    assert re.fullmatch(rf"ssh -p \d+ student@{ada.room}\.piaule\.test", line), line
    copy = page.locator("button[data-copy]")
    assert copy.is_visible() == look.script
    if look.script:
        copy.click()
        assert page.evaluate("navigator.clipboard.readText()") == line

    page.locator(".do-stop button").click()
    ada.is_now("stopped")
    assert page.locator(".state").inner_text() == words["stopped"]
    is_sound(ada)
    ada.shoot("6-stopped")
    page.locator(".do-start button").click()
    ada.is_now("running")
    page.locator(".do-restart button").click()
    page.get_by_role("heading", name=words["restarted"]).wait_for()
    ada.is_now("running")
    is_sound(ada)
    ada.shoot("7-restarted")

    page.locator("nav button").click()
    page.wait_for_url("**/sign-in")
    page.go_back()
    page.wait_for_url(re.compile(r"/sign-in\?next="))
    assert not ada.complaints, ada.complaints


def test_the_timeline_moves_by_itself(student):
    ada = student(Look())
    ada.sign_in()
    ada.page.goto("/new-room")
    # What each event leaves on the page, from the first.
    ada.context.add_init_script("""
        window.seen = [];
        addEventListener("DOMContentLoaded", () => {
          const progress = document.querySelector("[data-progress]");
          if (!progress) return;
          const look = () => seen.push([
            document.querySelector(".room").dataset.state,
            document.querySelectorAll(".steps li[data-step]").length,
          ]);
          new MutationObserver(look).observe(progress, { childList: true });
        });""")
    ada.make_room()
    ada.is_now("running")
    seen = ada.page.evaluate("seen")
    steps = [count for _, count in seen]
    assert len(seen) >= 3 and steps == sorted(steps), seen
    assert {"starting", "running"} == {state for state, _ in seen}, seen

    # Someone else's doing shows as well, and so does what the room does by itself.
    ada.house.piaule("stop", ada.room)
    ada.is_now("stopped")
    ada.house.piaule("start", ada.room)
    ada.is_now("running")
    assert len(ada.page.evaluate("seen")) > len(seen), "the page was loaded again"


def test_the_language_is_switched_and_kept(student):
    ada = student(Look(language="en"))
    ada.sign_in()
    ada.page.locator(".switch").click()
    assert ada.page.locator("html").get_attribute("lang") == "fr"
    ada.page.goto("/new-room")
    assert ada.page.locator("html").get_attribute("lang") == "fr"


def test_a_wrong_form_says_what_is_wrong(student):
    for look in (Look("phone", "fr"), Look("desktop", "en", "dark")):
        ada = student(look)
        ada.sign_in()
        ada.page.goto("/new-room")
        # The browser's own checks are a courtesy; the panel's are the rule.
        ada.page.evaluate("document.querySelector('form.fields').noValidate = true")
        ada.page.locator("#name").fill("Mon Blog")
        ada.page.locator("#keys").fill("ssh-ed25519 AAAA zut")
        ada.page.locator("form.fields button").click()
        ada.page.locator(".alert").wait_for()
        assert ada.page.locator("[aria-invalid=true]").count() == 2
        assert ada.page.locator("#name").input_value() == "Mon Blog"
        # The browser says so of any page that is not a success.
        ada.complaints = [line for line in ada.complaints if "status of 400" not in line]
        is_sound(ada)
        ada.shoot("8-wrong-form")


def test_a_wrong_password_says_so(student):
    for look in (Look("phone", "fr", "dark"), Look("desktop", "en")):
        ada = student(look)
        ada.page.goto("/sign-in")
        ada.page.locator("#login").fill(ada.login)
        ada.page.locator("#password").fill("pas la bonne phrase")
        ada.page.locator("form[action='/sign-in'] button").click()
        ada.page.locator("#refused").wait_for()
        ada.shoot("9-refused")
        response = ada.page.goto("/rooms/nobody")
        assert response.ok and ada.page.url == f"{PANEL}/sign-in?next=/rooms/nobody"
