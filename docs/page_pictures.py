"""Pictures of the labeling page for the guide: a real fit of MNIST, answered by its labels in a real browser.

python docs/page_pictures.py    (needs chromium and chromedriver, MNIST, sklvae[web], selenium, pillow)
"""

import io
import tempfile
import time
from pathlib import Path
from threading import Thread

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from sklearn.datasets import load_breast_cancer

from sklvae import ClusterLabelVAEClassifier
from sklvae.datasets import load_mnist
from sklvae.labeling import Query, QueryBatch, WebOracle

IMAGES = Path(__file__).parent / "images"
N_ROWS, BUDGET, SHOT_AT = 6000, 24, 15
SIZES = {"desktop": (1000, 760), "phone": (390, 844)}
SECONDS = 300
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
OPTIONS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


def main():
    mnist = load_mnist()
    X, y = mnist.x_train[:N_ROWS], mnist.y_train[:N_ROWS]
    oracle = WebOracle(range(10), X=X, budget=BUDGET, review=60, timeout=SECONDS, show=lambda url: None)
    classifier = ClusterLabelVAEClassifier(
        propagation="cluster", n_clusters=12, n_rounds=2, budget=BUDGET, max_epochs=25, random_state=0
    )
    driver = browser()
    with oracle:
        driver.get(oracle.url)
        wait_for(driver, "waiting")
        fit = Thread(target=classifier.fit, args=(X,), kwargs={"oracle": oracle})
        fit.start()
        picture(driver, "empty")
        taken = {"waiting"}
        while fit.is_alive():
            phase = driver.execute_script("return document.body.className")
            if phase not in taken and (phase != "asking" or len(oracle.answers) == SHOT_AT):
                time.sleep(3 if phase == "training" else 1)
                picture(driver, phase)
                taken.add(phase)
            if phase == "asking":
                answer(driver, oracle, y)
            elif phase == "review":
                driver.execute_script("document.getElementById('go').click()")
            time.sleep(0.3)
        fit.join(SECONDS)
    wait_for(driver, "done")
    picture(driver, "done")
    driver.quit()


def table():
    """One question about a table."""
    X = load_breast_cancer(as_frame=True).data
    members = np.array([12, 25, 78, 82, 108])
    query = Query(0, X.to_numpy()[12], "sample", 12, 0, 0, 0, members, ("malignant", 0.91))
    driver = browser()
    with WebOracle(["benign", "malignant"], X=X, timeout=SECONDS, show=lambda url: None) as oracle:
        Thread(target=lambda: next(oracle(QueryBatch([query])), None), daemon=True).start()
        driver.get(oracle.url)
        wait_for(driver, "asking")
        picture(driver, "table")
        driver.execute_script("document.querySelectorAll('#classes button')[1].click()")
        wait_for(driver, "review")
        driver.execute_script("document.getElementById('go').click()")
        wait_for(driver, "training")
    driver.quit()


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for option in [*OPTIONS, f"--user-data-dir={tempfile.mkdtemp()}"]:
        options.add_argument(option)
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def wait_for(driver, phase):
    end = time.monotonic() + SECONDS
    while driver.execute_script("return document.body.className") != phase:
        if time.monotonic() > end:
            raise TimeoutError(phase)
        time.sleep(0.1)


def answer(driver, oracle, y):
    """Click the class that most neighbors have."""
    query, number = oracle._desk.question, len(oracle.answers)
    label = np.bincount(y[query.members if query.index is None else [query.index]]).argmax()
    driver.execute_script("document.querySelectorAll('#classes button')[arguments[0]].click()", int(label))
    end = time.monotonic() + SECONDS
    while len(oracle.answers) == number:
        if time.monotonic() > end:
            raise TimeoutError(f"answer {number}")
        time.sleep(0.05)


def picture(driver, name):
    """The page as it is now, on a desk and on a phone, light and dark, side by side."""
    shots = []
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            time.sleep(0.3)
            shots.append(Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB"))
    gap = 16
    width = sum(shot.width + gap for shot in shots) - gap
    side_by_side = Image.new("RGB", (width, max(shot.height for shot in shots)), "#888888")
    left = 0
    for shot in shots:
        side_by_side.paste(shot, (left, 0))
        left += shot.width + gap
    # Pages have few colors: a palette makes the file a third of the size.
    side_by_side.quantize(128).save(IMAGES / f"label_page_{name}.png", optimize=True)


if __name__ == "__main__":
    main()
    table()
