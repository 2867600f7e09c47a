"""What a student sees when a part of the house dies under an open page."""

import subprocess

from house import PANEL, ZONE, until
from looks import Look


def with_room(student, look=None):
    ada = student(look or Look())
    ada.sign_in()
    ada.make_room()
    ada.is_now("running")
    # To see that a page was not loaded again.
    ada.page.evaluate("window.same = true")
    return ada


def is_same(page):
    return page.evaluate("window.same === true")


def test_front_dies_under_an_open_timeline(student, house):
    ada = with_room(student)
    front = house.front_pid()
    house.kill_front()
    until("another front", lambda: house.front_pid() not in (0, front), patience=5)
    house.piaule("stop", ada.room)
    ada.is_now("stopped")
    assert is_same(ada.page) and ada.page.locator("[data-away]").is_hidden()
    # The session and the form on the page outlive the front that made them.
    ada.page.locator(".do-start button").click()
    ada.is_now("running")
    ada.page.goto("/")
    assert ada.page.locator("h1").inner_text() == ada.room


def test_core_dies_under_an_open_timeline(student, house):
    ada = with_room(student)
    other = ada.context.new_page()
    house.kill_core()

    ada.page.locator("[data-away]").wait_for(state="visible")
    ada.shoot("a-core-is-away")
    site = other.goto(f"https://{ada.room}.{ZONE}/")
    assert site.status == 200, "rooms are served on"
    answer = other.goto("/")
    assert answer.status == 503 and answer.headers["retry-after"]
    assert other.locator("h1").inner_text() == "La maison redémarre"
    ada.shoot_page(other, "b-core-is-away")

    house.start_core()
    # Both find the house again by themselves, still signed in.
    other.get_by_role("heading", name=ada.room, exact=True).wait_for()
    ada.page.locator("[data-away]").wait_for(state="hidden", timeout=40_000)
    house.piaule("stop", ada.room)
    ada.is_now("stopped")
    assert is_same(ada.page)
    ada.page.locator(".do-start button").click()
    ada.is_now("running")


def test_core_dies_before_a_form_is_sent(student, house):
    ada = with_room(student, Look("phone", script=False))
    house.kill_core()
    ada.page.locator(".do-stop button").click()
    ada.page.get_by_role("heading", name="La maison redémarre").wait_for()
    ada.shoot("c-core-is-away")
    house.start_core()
    ada.page.locator("main a.button").click()
    assert ada.page.url == f"{PANEL}/"
    ada.is_now("running")
    ada.page.locator(".do-stop button").click()
    ada.is_now("stopped")


def test_a_room_switched_off_from_inside_is_seen(student, house):
    ada = with_room(student)
    # The command's own end is lost with the room.
    subprocess.run([*house.client, "enter", ada.room, "--", "systemctl", "poweroff"])
    ada.is_now("stopped")
    assert is_same(ada.page)
    assert "stopped" in str(house.piaule("show", ada.room))


def test_a_room_destroyed_meanwhile_is_said(student, house):
    for look in (Look(), Look("phone", "en", "dark")):
        ada = with_room(student, look)
        house.piaule("destroy", ada.room, "--yes")
        ada.page.locator(".room[data-state=gone]").wait_for()
        assert ada.page.locator(".actions button:visible, #ssh:visible").count() == 0
        ada.shoot("d-gone")
        ada.page.locator(".progress a.button").click()
        ada.page.wait_for_url(f"{PANEL}/new-room")
        assert not ada.complaints, ada.complaints


def test_a_session_ended_elsewhere_leads_to_the_door(student, house):
    ada = with_room(student)
    house.piaule("account", "password", ada.login, "--password-stdin", said="une autre longue phrase\n")
    house.piaule("stop", ada.room)
    # The stream ends at the end of that job, and the page does not pretend.
    ada.page.locator("[data-away]").wait_for(state="visible")
    ada.page.locator("[data-away] a").click()
    ada.page.wait_for_url(f"{PANEL}/sign-in?next=/rooms/{ada.room}")
