"""Writes mmd.json: squared maximum mean discrepancies by the definitions, for tests/mmd.rs.

    pip install numpy==2.4.6 && python make_mmd.py

`estimates`: from the whole kernel matrix. `errors`: the variance of the unbiased estimate from
averages over all tuples of different samples, each term of which is unbiased; negative terms count as zero.
"""
import json
from itertools import permutations
import numpy as np
from generator import normals


def sets(seed, first, second, columns, shift, scale):
    return normals(seed, first, columns), shift + scale * normals(seed + 1, second, columns)


def kernel(x, y, bandwidth):
    return np.exp(-((x[:, None] - y[None]) ** 2).sum(-1) / (2 * bandwidth**2))


def estimates(x, y, bandwidth, standardise):
    pooled = np.concatenate([x, y])
    if standardise:
        pooled = pooled / pooled.std(axis=0, ddof=1)
        x, y = pooled[: len(x)], pooled[len(x):]
    if bandwidth is None:
        distances = np.sqrt(((pooled[:, None] - pooled[None]) ** 2).sum(-1))
        bandwidth = np.median(distances[np.triu_indices(len(pooled), 1)])
    xx, yy, xy = (kernel(a, b, bandwidth) for a, b in ((x, x), (y, y), (x, y)))
    off = lambda k: k[~np.eye(len(k), dtype=bool)].mean()
    return dict(used=bandwidth, squared=off(xx) + off(yy) - 2 * xy.mean(),
                biased=xx.mean() + yy.mean() - 2 * xy.mean())


def variance(x, y, bandwidth):
    xx, yy, xy = (kernel(a, b, bandwidth) for a, b in ((x, x), (y, y), (x, y)))
    m, n = len(x), len(y)
    tuples = lambda size, length: list(permutations(range(size), length))

    def within(k):
        """E k², E k(1,2) k(1,3), E k(1,2) k(3,4)."""
        return (np.mean([k[a, b] ** 2 for a, b in tuples(len(k), 2)]),
                np.mean([k[a, b] * k[a, c] for a, b, c in tuples(len(k), 3)]),
                np.mean([k[a, b] * k[c, d] for a, b, c, d in tuples(len(k), 4)]))

    def first_order(own, cross):
        s, o = cross.shape
        _, shared, apart = within(own)
        mixed_shared = np.mean([own[a, b] * cross[a, c] for a, b in tuples(s, 2) for c in range(o)])
        mixed_apart = np.mean([own[a, b] * cross[c, d] for a, b, c in tuples(s, 3) for d in range(o)])
        cross_shared = np.mean([cross[a, c] * cross[a, d] for a in range(s) for c, d in tuples(o, 2)])
        cross_apart = np.mean([cross[a, c] * cross[b, d] for a, b in tuples(s, 2) for c, d in tuples(o, 2)])
        return (shared - 2 * mixed_shared + cross_shared) - (apart - 2 * mixed_apart + cross_apart)

    def remainder(own):
        square, shared, apart = within(own)
        return square - 2 * shared + apart

    square = (xy**2).mean()
    by_x = np.mean([xy[a, c] * xy[a, d] for a in range(m) for c, d in tuples(n, 2)])
    by_y = np.mean([xy[a, c] * xy[b, c] for a, b in tuples(m, 2) for c in range(n)])
    apart = np.mean([xy[a, c] * xy[b, d] for a, b in tuples(m, 2) for c, d in tuples(n, 2)])
    terms = [4 * first_order(xx, xy) / m, 4 * first_order(yy, xy.T) / n,
             2 * remainder(xx) / (m * (m - 1)), 2 * remainder(yy) / (n * (n - 1)),
             4 * (square - by_x - by_y + apart) / (m * n)]
    print(terms)
    return sum(max(t, 0) for t in terms)


cases = [dict(seed=1, first=60, second=45, columns=3, shift=0.4, scale=1.3),
         dict(seed=3, first=31, second=300, columns=2, shift=0.0, scale=1.0)]
results = [dict(c, bandwidth=h, standardise=s, **estimates(*sets(**c), h, s))
           for c in cases for h in (0.7, None) for s in (False, True)]
errors = []
for case in [dict(seed=6, first=9, second=7, columns=2, shift=0.9, scale=1.2),
             dict(seed=9, first=6, second=11, columns=1, shift=0.5, scale=2.5)]:
    errors.append(dict(case, bandwidth=1.1, error=np.sqrt(variance(*sets(**case), 1.1))))
with open("mmd.json", "w") as f:
    json.dump({"made_by": f"NumPy {np.__version__}, make_mmd.py", "estimates": results, "errors": errors}, f, indent=1)
    f.write("\n")
