"""The README's picture, assets/screenshots/panel.png, is made here; it is copied by hand, so that a
run changes no file of the tree."""

from house import ROOT
from looks import Look


def test_the_picture_of_the_readme(student, house):
    ada = student(Look(), login="ada", room="blog")
    ada.page.set_viewport_size({"width": 1180, "height": 700})
    key = house.folder / "ada.key.pub"
    house.piaule("create", ada.room, "--owner", ada.login, "--key", key, "--port", "8080")
    ada.sign_in()
    ada.is_now("running")
    file = ROOT / "target/browser/panel.png"
    ada.page.screenshot(path=file, full_page=True, animations="disabled")
    assert file.stat().st_size < 150_000
