"""Writes cholesky.json: what LAPACK makes of matrices that both sides know exactly, for
tests/cholesky.rs.

    pip install numpy==2.4.6 scipy==1.17.1 && python make_cholesky.py
"""
import json
import numpy as np
import scipy
from scipy.linalg import lapack, solve_triangular

cases = []
for size in (1, 2, 5, 12):
    i = np.arange(size)
    matrix = 1 / (1 + np.abs(i[:, None] - i)) + np.diag(i / 4)
    right = i % 3 - 1.0
    lower, info = lapack.dpotrf(matrix, lower=1)
    assert info == 0
    inverse, info = lapack.dpotri(lower, lower=1)
    assert info == 0
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    cases.append({
        "size": size,
        "lower": lower.ravel().tolist(),
        "inverse": inverse.ravel().tolist(),
        "solution": lapack.dpotrs(lower, right, lower=1)[0].tolist(),
        "whitened": solve_triangular(lower, right, lower=True).tolist(),
        "ln_det": float(np.linalg.slogdet(matrix)[1]),
    })
with open("cholesky.json", "w") as f:
    json.dump({"made_by": f"SciPy {scipy.__version__} with OpenBLAS, make_cholesky.py", "cases": cases}, f)
    f.write("\n")
