"""Choose clusterer, distance, confidence and decay by a grid search, on labeled validation data alone.

The digits come in three parts: a large one without labels, of which each candidate asks a stand-in for a person;
a labeled one, on which the candidates are compared and which none of them trains on; and test images, which
only the winner sees.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from sklvae import UNLABELED, ClusterLabelVAEClassifier
from sklvae.labeling import SimulatedOracle
from sklvae.model_selection import SemiSupervisedSplit, masked_scorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-jobs", type=int, default=1, help="fits at the same time")
    parser.add_argument("--quick", action="store_true", help="few candidates, trained too briefly for good results")
    arguments = parser.parse_args()

    X, truth = load_digits(return_X_y=True)
    X_train, X_test, truth_train, y_test = train_test_split(X / 16, truth, test_size=0.25, random_state=0)
    validation = np.arange(len(X_train)) % 3 == 0
    y_train = np.where(validation, truth_train, UNLABELED)

    classifier = ClusterLabelVAEClassifier(
        propagation="cluster",
        n_clusters=20,
        budget=80,
        n_rounds=3,
        hidden_units=(128,),
        batch_size=64,
        lr=3e-3,
        pretrain_epochs=10 if arguments.quick else 30,
        round_epochs=2 if arguments.quick else 8,
        random_state=0,
    )
    by_distance = {
        "clusterer": ["gmm", "kmeans"],
        "distance": ["euclidean", "mahalanobis"],
        "confidence": ["exponential", "gaussian"],
        "decay": [0.02, 0.2],
    }
    by_posterior = {"clusterer": ["gmm", "kmeans"], "confidence": ["posterior"]}
    search = GridSearchCV(
        classifier,
        [by_posterior] if arguments.quick else [by_distance, by_posterior],
        cv=SemiSupervisedSplit(n_splits=1),
        scoring=masked_scorer("accuracy"),
        n_jobs=arguments.n_jobs,
    )
    start = time.perf_counter()
    search.fit(X_train, y_train, oracle=SimulatedOracle(X_train, truth_train))
    seconds = time.perf_counter() - start

    print("clusterer  distance     confidence   decay  validation accuracy")
    results = search.cv_results_
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        options = results["params"][i]
        print(
            f"{options['clusterer']:9}  {options.get('distance', '-'):11}  {options['confidence']:11}  "
            f"{options.get('decay', '-'):>5}  {results['mean_test_score'][i]:19.1%}"
        )
    best = search.best_estimator_
    print(f"\n{len(results['params'])} candidates in {seconds:.0f} s")
    print(f"The best, fitted with the validation labels and {best.n_queries_} answers besides:")
    print(f"test accuracy {search.score(X_test, y_test):.1%}")


if __name__ == "__main__":
    main()
