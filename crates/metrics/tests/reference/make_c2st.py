"""Writes c2st.json: scikit-learn's MLPClassifier on rebuilt data, for the tests of the C2ST.

    pip install scikit-learn==1.9.1 numpy==2.4.6 && python make_c2st.py

`training`: loss curves in float64 from given starting weights, without shuffling: to be equal to
rounding. `accuracies`: C2ST of the same two sets over classifier and fold seeds: to be equal in
mean and spread.
"""
import json
import time
import warnings
import numpy as np
import sklearn
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")


def uniforms(seed, count):
    state, out = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state // 2**11) / 2**53)
    return np.array(out)


def normals(seed, rows, columns):
    u = uniforms(seed, 2 * rows * columns)
    z = np.sqrt(-2 * np.log(1 - u[0::2])) * np.cos(2 * np.pi * u[1::2])
    return z.reshape(rows, columns)


def sets(seed, rows, columns, shift, correlation):
    """Independent normals, and normals with a shifted first and a correlated second column."""
    x, y = normals(seed, rows, columns), normals(seed + 1, rows, columns)
    y[:, 1] = correlation * y[:, 0] + np.sqrt(1 - correlation**2) * y[:, 1]
    y[:, 0] += shift
    return x, y


def pooled(x, y):
    mean, sd = x.mean(axis=0), x.std(axis=0, ddof=1)
    data = np.concatenate([(x - mean) / sd, (y - mean) / sd])
    return data, np.concatenate([np.zeros(len(x)), np.ones(len(y))])


class Given(MLPClassifier):
    """Starts from weights 0.3 sin(1 + i + layer), i the row-major index, biases 0.1 cos(i)."""

    def _init_coef(self, fan_in, fan_out, dtype):
        layer = {self.n_features_in_: 0, self.hidden_layer_sizes[0]: 1}[fan_in]
        layer = 2 if fan_out == 1 else layer
        weights = 0.3 * np.sin(1.0 + layer + np.arange(fan_in * fan_out))
        return weights.reshape(fan_in, fan_out).astype(dtype), 0.1 * np.cos(np.arange(fan_out)).astype(dtype)


training = []
for case in [dict(tol=1e-4, max_iter=15), dict(tol=1e-3, max_iter=1000)]:
    data, labels = pooled(*sets(11, 225, 3, 0.8, 0.5))
    order = (7 * np.arange(450)) % 450  # Rows of the two sets alternate irregularly.
    clf = Given((30, 30), shuffle=False, **case).fit(data[order], labels[order])
    training.append(dict(case, loss=clf.loss_curve_, iterations=clf.n_iter_))

accuracies = []
for case in [
    dict(seed=21, rows=400, columns=2, shift=1.0, correlation=0.0),
    dict(seed=31, rows=400, columns=2, shift=0.0, correlation=0.9),
    dict(seed=41, rows=500, columns=5, shift=0.3, correlation=0.3),
]:
    data, labels = pooled(*sets(**case))
    data = data.astype(np.float32)
    scores, start = [], time.process_time()
    for seed in range(20):
        hidden = 10 * case["columns"]
        clf = MLPClassifier((hidden, hidden), max_iter=10000, random_state=seed)
        folds = KFold(5, shuffle=True, random_state=seed)
        scores.append(cross_val_score(clf, data, labels, cv=folds, scoring="accuracy").mean())
    print(case, np.mean(scores), np.std(scores, ddof=1), time.process_time() - start, "CPU s")
    accuracies.append(dict(case, runs=len(scores), mean=np.mean(scores), sd=np.std(scores, ddof=1)))

with open("c2st.json", "w") as f:
    json.dump({"made_by": f"scikit-learn {sklearn.__version__}, make_c2st.py",
               "training": training, "accuracies": accuracies}, f, indent=1)
    f.write("\n")
