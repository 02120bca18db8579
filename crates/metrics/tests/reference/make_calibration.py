"""Writes calibration.json for tests/calibration.rs and tests/ecdf_band.rs.

    pip install numpy==2.4.6 scipy==1.17.1 && python make_calibration.py

`bands`: simultaneous bands and p-values of the empirical distribution function, by the recursion over
binomial transitions of Säilynoja, Bürkner & Vehtari (2022), section 2.2. `ranks`: ranks and coverages
of a small set of truths and draws.
"""
import json
import numpy as np
import scipy
from scipy.stats import beta, binom, chisquare
from generator import normals, uniforms


def two_sided(n, z):
    c = np.arange(n + 1)
    return np.minimum(1, 2 * np.minimum(binom.cdf(c, n, z), binom.sf(c - 1, n, z)))


def inside(n, levels, accepted):
    """Probability that the numbers below all levels are among the accepted ones."""
    state, previous = np.eye(1, n + 1)[0], 0.0
    c = np.arange(n + 1)
    for z, ok in zip(levels, accepted):
        step = binom.pmf(c[None] - c[:, None], n - c[:, None], (z - previous) / (1 - previous))
        state, previous = np.where(ok, state @ step, 0.0), z
    return state.sum()


bands = []
for n, levels, confidence in ((20, [0.25, 0.5, 0.75], 0.95), (100, [k / 20 for k in range(1, 20)], 0.95),
                              (250, [0.1, 0.15, 0.5, 0.93], 0.8), (37, [k / 50 for k in range(1, 50)], 0.99)):
    tails = [two_sided(n, z) for z in levels]
    low, high = (1 - confidence) / len(levels), 1.0
    for _ in range(40):
        middle = np.sqrt(low * high)
        if inside(n, levels, [t > middle for t in tails]) >= confidence:
            low = middle
        else:
            high = middle
    accepted = [t > low for t in tails]
    paths = []
    for seed, power in ((1, 1.0), (2, 1.0), (3, 1.15), (4, 0.8), (5, 1.5)):
        u = uniforms(seed, n) ** power
        counts = [int((u < z).sum()) for z in levels]
        farthest = min(t[c] for t, c in zip(tails, counts))
        paths.append(dict(counts=counts, p_value=1 - inside(n, levels, [t > farthest * (1 + 1e-9) for t in tails])))
    bands.append(dict(observations=n, levels=levels, confidence=confidence,
                      coverage=inside(n, levels, accepted), pointwise=low, paths=paths,
                      lower=[int(np.argmax(a)) for a in accepted],
                      upper=[int(n - np.argmax(a[::-1])) for a in accepted]))

n, draws, d = 60, 24, 3
truths = normals(11, n, d)
samples = 0.2 + 0.8 * normals(12, n, draws, d)
references = normals(13, n, d)
levels = np.array([0.2, 0.4, 0.6, 0.8])  # multiples of 1 / 25
ranks = (samples < truths[:, None]).sum(1)
width = []
for j in range(d):
    pooled = np.sort(np.append(samples[:, :, j], truths[:, j]))
    left_out = int(0.005 * len(pooled))
    width.append(pooled[len(pooled) - 1 - left_out] - pooled[left_out])
distance = lambda p, r: (((p - r) / width) ** 2).sum(-1)
nearer = (distance(samples, references[:, None]) < distance(truths, references)[:, None]).sum(1)
log_density = lambda p: -np.abs(p).sum(-1)
denser = (log_density(samples) > log_density(truths)[:, None]).sum(1)
counts = [np.histogram(r, bins=np.arange(0, 26, 5))[0] for r in ranks.T]
central = np.abs(2 * ranks / draws - 1)  # 0 in the middle; no rank is on an edge of these levels
coverage = lambda position: [float((position < z).mean()) for z in levels]
hpd = np.array(coverage(denser / (draws + 1)))
f = 0.5 - (denser + 0.5) / (draws + 1)
result = dict(
    observations=n, draws=draws, ranks=ranks.T.tolist(),
    chi_square=[float(chisquare(c).statistic) for c in counts],
    histogram_p=[float(chisquare(c).pvalue) for c in counts],
    levels=levels.tolist(), hpd=hpd.tolist(), excess=f.mean(), excess_error=f.std(ddof=1) / np.sqrt(n),
    hpd_lower=beta.ppf(0.025, hpd * n + 0.5, n - hpd * n + 0.5).tolist(),
    hpd_upper=beta.ppf(0.975, hpd * n + 0.5, n - hpd * n + 0.5).tolist(),
    tarp=coverage(nearer / (draws + 1)),
    # Of 25 ranks the innermost 5, 10, 15, 20, one more below than above where odd.
    central=[[float(np.isin(r, np.arange(12 - k // 2, 12 - k // 2 + k)).mean()) for k in (5, 10, 15, 20)]
             for r in ranks.T],
)
with open("calibration.json", "w") as f:
    json.dump({"made_by": f"NumPy {np.__version__}, SciPy {scipy.__version__}, make_calibration.py",
               "bands": bands, "ranks": result}, f, indent=1)
    f.write("\n")
