"""The page of WebOracle in a real browser."""

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys

from sklvae.labeling import INVALID, SKIP

pytestmark = pytest.mark.browser


def test_a_session_by_keyboard_from_the_first_question_to_the_end(web, ask, images, listen, person):
    oracle = web(["cat", "dog", "ox"], X=images, review=60, budget=20)
    me = person(oracle)
    me.sees("waiting")
    heard = listen(oracle, ask(images, range(7), suggestion=("dog", 0.8)))
    me.sees_question(1)
    me.press("2", "3", "x", " ", Keys.ENTER, ",", "1", Keys.BACKSPACE, ",", ",", "1")
    me.press("n")
    me.find("#new-class-name").send_keys("emu", Keys.ENTER)
    me.sees("review")
    assert [item.text.splitlines()[0] for item in me.all("#said li")] == [
        "dog",
        "ox",
        "no valid class",
        "skipped",
        "dog",
        "cat",
        "emu",
    ]
    me.press(Keys.BACKSPACE)
    me.sees_question(7)
    me.press("4")
    me.sees("review")
    me.press(Keys.ENTER)
    assert heard.labels() == ["dog", "ox", INVALID, SKIP, "dog", "cat", "emu"]
    assert [answer.confidence for answer in heard.heard] == [1, 1, 1, 1, 1, 0.5, 1]
    me.sees("training")
    assert "7 answers, 13 left" in me.text("#left")
    assert "right: 2 of 5" in me.text("#guesses")
    oracle.close()
    me.sees("done")
    assert "Done" in me.text("#pause-heading")


def test_a_session_by_mouse(web, ask, images, listen, person, chromium):
    oracle = web(["cat", "dog"], review=60)
    heard = listen(oracle, ask(images, range(6)))
    me = person(oracle)
    me.sees_question(1)
    me.click_class("dog")
    me.sees_question(2)
    me.click("#undo")
    me.sees_question(1)
    me.click("#levels button:nth-child(2)")
    assert me.text("#percent") == "80%"
    me.click_class("cat")
    me.sees_question(2)
    assert me.text("#percent") == "100%"
    assert chromium.execute_script("return document.querySelector('#progress').value") == pytest.approx(1 / 6)
    chromium.execute_script("arguments[0].value = 33; arguments[0].oninput()", me.find("#slider"))
    me.click_class("dog")
    me.sees_question(3)
    me.click("#invalid")
    me.sees_question(4)
    me.click("#skip")
    me.sees_question(5)
    me.click("#new-class")
    me.find("#new-class-name").send_keys("-1")
    me.click("#new-class-form [type=submit]")
    me.until(lambda: "mark of an unlabeled row" in me.text("#new-class-error"))
    me.find("#new-class-name").clear()
    me.find("#new-class-name").send_keys("x n 1")
    me.click("#new-class-form [type=submit]")
    me.sees_question(6)
    me.click_class("x n 1")
    me.sees("review")
    me.click("#go")
    assert heard.labels() == ["cat", "dog", INVALID, SKIP, "x n 1", "x n 1"]
    assert [answer.confidence for answer in heard.heard] == [0.8, 0.33, 1, 1, 1, 1]


def test_a_class_that_is_a_digit_has_that_key(web, ask, images, listen, person):
    oracle = web(list(range(10)))
    heard = listen(oracle, ask(images, range(3)))
    me = person(oracle)
    me.sees_question(1)
    me.press("7", "0", "1")
    assert heard.labels() == [7, 0, 1]


def test_the_space_bar_presses_a_button_that_has_the_focus_and_skips_otherwise(
    web, ask, images, listen, person, chromium
):
    oracle = web(["cat", "dog"])
    heard = listen(oracle, ask(images, range(2)))
    me = person(oracle)
    me.sees_question(1)
    chromium.execute_script("document.querySelector('#classes button').focus()")
    me.press(" ", " ")
    assert heard.labels() == ["cat", SKIP]


def test_nothing_is_drawn_anew_while_nothing_changes(web, ask, images, listen, person, chromium, until, monkeypatch):
    monkeypatch.setattr("sklvae.labeling._web_app.POLL_SECONDS", 0.05)
    oracle = web(["cat", "dog"])
    listen(oracle, ask(images, range(2)))
    me = person(oracle)
    me.sees_question(1)
    button = me.find("#classes button")
    chromium.execute_script("arguments[0].focus()", button)
    seen = oracle._service.page.seen
    until(lambda: oracle._service.page.seen > seen + 0.3)
    assert chromium.switch_to.active_element == button


def test_a_reload_in_mid_session_loses_nothing(web, ask, images, listen, person, chromium):
    oracle = web(["cat", "dog"])
    heard = listen(oracle, ask(images, range(3)))
    me = person(oracle)
    me.sees_question(1)
    me.press("1", "2")
    chromium.refresh()
    me.sees_question(3)
    me.press(Keys.BACKSPACE, "1", "1")
    assert heard.labels() == ["cat", "cat", "cat"]


def test_two_tabs_show_the_same_question_and_each_is_answered_once(web, ask, images, listen, person, chromium, until):
    oracle = web(["cat", "dog"])
    heard = listen(oracle, ask(images, range(4)))
    me = person(oracle)
    first = chromium.current_window_handle
    me.sees_question(1)
    chromium.switch_to.new_window("tab")
    second = chromium.current_window_handle
    chromium.get(oracle.url)
    me.sees_question(1)
    for number, (tab, key) in enumerate([(first, "1"), (second, "2"), (first, "1"), (second, "2")], start=1):
        chromium.switch_to.window(tab)
        me.sees_question(number)
        me.press(key)
    assert heard.labels() == ["cat", "dog", "cat", "dog"]
    oracle.close()
    for tab in (first, second):
        chromium.switch_to.window(tab)
        me.sees("done")


def test_names_are_text_wherever_they_stand(web, ask, images, listen, person, chromium):
    evil = "<script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"
    oracle = web([evil], X=images, review=60)
    heard = listen(oracle, ask(images, [0], suggestion=(evil, 0.9)))
    me = person(oracle)
    me.sees_question(1)
    assert me.find("#classes button").get_attribute("aria-label") == evil
    assert evil in me.text("#suggestion")
    me.press("1")
    me.sees("review")
    assert evil in me.text("#said")
    me.press(Keys.ENTER)
    me.sees("training")
    assert evil in me.text("#counts")
    assert heard.labels() == [evil]
    assert "sklvae" in chromium.title
    assert me.all("script:not([src='page.js']), img[src=x]") == []


def test_nothing_leaves_this_machine_and_nothing_is_complained_of(web, ask, images, listen, person, chromium):
    oracle = web(["cat"], X=images, review=60)
    heard = listen(oracle, ask(images, range(2)))
    me = person(oracle)
    me.sees_question(1)
    me.press("1", "1")
    me.sees("review")
    me.press(Keys.ENTER)
    heard.labels()
    asked = me.requests()
    assert len([url for url in asked if "/pictures/" in url]) >= 10
    assert [url for url in asked if not url.startswith((oracle.url, "data:"))] == []
    assert [entry["message"] for entry in chromium.get_log("browser")] == []


def test_pictures_and_their_neighbors_are_shown_and_described(web, ask, images, listen, person, chromium):
    oracle = web(["cat"], X=images)
    listen(oracle, ask(images, [5, 6]))
    me = person(oracle)
    me.sees_question(1)
    sizes = "return [...document.querySelectorAll('#exhibit img')].map((i) => [i.complete && i.naturalWidth, i.alt])"
    me.until(lambda: all(size for size, _ in chromium.execute_script(sizes)))
    shown = chromium.execute_script(sizes)
    assert [size for size, _ in shown] == [4] * 5
    assert shown[0][1] == "Drawn by the model: the middle of a group of rows"
    assert shown[1][1] == "Row 5, near it"
    assert "Question 1 of 2" in me.text("#spoken")
    assert chromium.execute_script("return document.activeElement.id") == "asking"


def test_a_table_shows_what_deviates_most(web, ask, listen, person):
    X = np.random.default_rng(0).normal(size=(50, 20))
    X[7, 13] = 40
    oracle = web(["cat"], X=X, feature_names=[f"<b>{j}</b>" for j in range(20)])
    listen(oracle, ask(X, [7]))
    me = person(oracle)
    me.sees_question(1)
    assert [cell.text for cell in me.all("#features tbody tr:first-child > *")[:2]] == ["<b>13</b>", "40"]
    assert len(me.all("#features tbody tr")) == 10
    assert "10 of 20 columns" in me.text("#more-features")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 640), (1000, 800)])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_fits_and_can_be_read(web, ask, images, listen, person, chromium, width, height, scheme):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        oracle = web([f"class {i}" for i in range(12)], X=images)
        listen(oracle, ask(images, [5], suggestion=("class 3", 0.9)))
        me = person(oracle)
        me.sees_question(1)
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
        for selector in ("h1", "#left", "#caption", "#classes button", "#levels [aria-pressed=true]", "#skip"):
            assert contrast(chromium, me.find(selector)) >= 4.5, selector
        for button in me.all("#classes button, #others button"):
            assert button.size["height"] >= 44
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(driver, element):
    """Contrast of a text with what is behind it (WCAG 2.1)."""
    script = """
        const channels = (color) => color.match(/[\\d.]+/g).map(Number);
        let behind = arguments[0], color;
        do { color = channels(getComputedStyle(behind).backgroundColor); behind = behind.parentElement; }
        while (behind && color[3] === 0);
        return [channels(getComputedStyle(arguments[0]).color).slice(0, 3), color.slice(0, 3)];
    """
    luminance = []
    for color in driver.execute_script(script, element):
        c = np.array(color) / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        luminance.append(linear @ [0.2126, 0.7152, 0.0722])
    return (max(luminance) + 0.05) / (min(luminance) + 0.05)
