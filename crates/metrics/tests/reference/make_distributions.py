"""Writes distributions.json: tail probabilities and intervals by SciPy, for src/distributions/tests.rs.

    pip install scipy==1.17.1 numpy==2.4.6 && python make_distributions.py
"""
import json
import scipy
from scipy.stats import beta, binom, chi2

chi_square = [[x, k, chi2.sf(x, k)] for k in (1, 2, 9, 19, 150, 999)
              for x in (0.0, 0.01 * k, 0.5 * k, float(k), k + 3.0, 1.7 * k + 4, 6.0 * k + 20)]
binomial = [[c, n, p, binom.cdf(c, n, p), binom.sf(c - 1, n, p)]
            for n, p, counts in ((1, 0.3, (0, 1)), (20, 0.05, (0, 1, 4, 19, 20)), (20, 0.5, (0, 9, 10, 20)),
                                 (1000, 0.37, (200, 350, 370, 391, 500)), (30000, 0.99, (29500, 29700, 29760)),
                                 (300000, 0.5, (149000, 150000, 150900)))
            for c in counts]
jeffreys = []
for n, level, counts in ((1, 0.95, (0, 1)), (20, 0.95, (0, 1, 10, 19, 20)), (1000, 0.683, (3, 500, 990))):
    for k in counts:
        tail = (1 - level) / 2
        low = 0.0 if k == 0 else beta.ppf(tail, k + 0.5, n - k + 0.5)
        high = 1.0 if k == n else beta.ppf(1 - tail, k + 0.5, n - k + 0.5)
        jeffreys.append([k, n, level, low, high])
with open("distributions.json", "w") as f:
    json.dump({"made_by": f"SciPy {scipy.__version__}, make_distributions.py", "chi_square": chi_square,
               "binomial": binomial, "jeffreys": jeffreys}, f, indent=1)
    f.write("\n")
