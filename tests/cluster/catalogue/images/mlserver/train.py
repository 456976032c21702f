"""Train a model of scikit-learn's irises, and write it to the file that the argument names."""

from __future__ import annotations

import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

if __name__ == "__main__":
    data, kinds = load_iris(return_X_y=True)
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(data, kinds), file)
