"""Writes predictive.json: posterior predictive checks by their definitions, for tests/predictive.rs.

    pip install numpy==2.4.6 && python make_predictive.py
"""
import json
import numpy as np
from generator import normals

mixing = np.array([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-300.0, 20.0, 100.0]])
replicated = 5.0 + normals(21, 150, 3) @ mixing.T
observed = 5.0 + mixing @ np.array([1.0, -1.2, 1.5])
mean, covariance = replicated.mean(0), np.cov(replicated.T)
distance = np.sqrt((observed - mean) @ np.linalg.inv(covariance) @ (observed - mean))
everything = np.concatenate([replicated, observed[None]])


def from_others(i):
    others = np.delete(everything, i, axis=0)
    offset = everything[i] - others.mean(0)
    return offset @ np.linalg.inv(np.cov(others.T)) @ offset


from_all = np.array([from_others(i) for i in range(len(everything))])
with open("predictive.json", "w") as f:
    json.dump({"made_by": f"NumPy {np.__version__}, make_predictive.py", "observed": observed.tolist(),
               "mixing": mixing.ravel().tolist(), "distance": distance,
               "deviations": ((observed - mean) / replicated.std(0, ddof=1)).tolist(),
               "p_value": float((from_all >= from_all[-1]).mean())}, f, indent=1)
    f.write("\n")
