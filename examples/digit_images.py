"""Write scikit-learn's digits as a folder of PNG files, and their true labels as a CSV file beside it.

Something to try ``sklvae label`` with: ``sklvae label digits --classes 0,1,2,3,4,5,6,7,8,9 --out labels.csv``.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(), help="where the folder digits and truth.csv go")
    parser.add_argument("--number", type=int, default=1797, help="how many of the 1797 digits")
    options = parser.parse_args()
    images, labels = load_digits(return_X_y=True)
    pixels = np.rint(images[: options.number] * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    folder = options.output / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    with (options.output / "truth.csv").open("w", newline="") as file:
        truth = csv.writer(file)
        truth.writerow(["file", "label"])
        for number, (image, label) in enumerate(zip(pixels, labels, strict=False)):
            Image.fromarray(image).save(folder / f"{number:04}.png")
            truth.writerow([f"{number:04}.png", label])
    print(f"{folder}: {len(pixels)} images; their labels: {options.output / 'truth.csv'}")


if __name__ == "__main__":
    main()
