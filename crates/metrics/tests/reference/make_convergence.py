"""Writes convergence.json: diagnostics of small arrays by ArviZ, for tests/convergence.rs.

The draws are rebuilt from the formula in `chains`, a linear congruential generator through which an
AR(1) process or another transformation is run; the same lines are in the test.

    pip install arviz==0.23.4 numpy==2.4.6 scipy==1.17.1 && python make_convergence.py
"""
import json
import arviz as az
import numpy as np
from scipy.stats import norm


def uniforms(seed, count):
    state, out = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state // 2**11) / 2**53)
    return out


def chains(seed, n_chains, draws, correlation, offset, steps):
    """AR(1) with uniform innovations, chain c shifted by c * offset, rounded to 1/steps if steps."""
    u = uniforms(seed, n_chains * draws)
    out = np.empty((n_chains, draws))
    for c in range(n_chains):
        x = 0.0
        for t in range(draws):
            x = correlation * x + (u[c * draws + t] - 0.5)
            value = x + c * offset
            out[c, t] = np.floor(value * steps) / steps if steps else value
    return out


CASES = [
    dict(seed=1, n_chains=4, draws=250, correlation=0.5, offset=0.0, steps=0),
    dict(seed=2, n_chains=4, draws=101, correlation=0.9, offset=0.0, steps=0),
    dict(seed=3, n_chains=2, draws=64, correlation=-0.6, offset=0.05, steps=0),
    dict(seed=4, n_chains=3, draws=400, correlation=0.97, offset=0.5, steps=0),
    dict(seed=5, n_chains=4, draws=300, correlation=0.3, offset=0.0, steps=4),
    dict(seed=6, n_chains=1, draws=500, correlation=0.8, offset=0.0, steps=0),
    dict(seed=7, n_chains=2, draws=9, correlation=0.2, offset=0.0, steps=0),
    dict(seed=8, n_chains=16, draws=2001, correlation=0.95, offset=0.01, steps=0),
]
results = []
for case in CASES:
    x = chains(**case)
    result = dict(
        case,
        ess_bulk=az.ess(x, method="bulk"), ess_tail=az.ess(x, method="tail"),
        ess_mean=az.ess(x, method="mean"), ess_median=az.ess(x, method="median"),
        mcse_mean=az.mcse(x, method="mean"), mcse_sd=az.mcse(x, method="sd"),
        mean=x.mean(), sd=x.std(ddof=1),
        quantiles=np.quantile(x, [0.16, 0.5, 0.84]).tolist(),
    )
    if case["n_chains"] > 1:
        result["r_hat"] = az.rhat(x, method="rank")
    else:
        from arviz.stats.diagnostics import _rhat, _z_scale, _split_chains
        s = _split_chains(x)
        result["r_hat"] = max(_rhat(_z_scale(s)), _rhat(_z_scale(abs(s - np.median(s)))))
    results.append({k: v if isinstance(v, (int, list)) else float(v) for k, v in result.items()})

probabilities = [5e-324, 1e-300, 1e-20, 1e-12, 1e-5, 0.02, 0.0749, 0.0751, 0.3, 0.5, 0.6, 0.9249, 0.9251, 0.999, 1 - 1e-15]
normal = [[p, float(norm.ppf(p))] for p in probabilities]
with open("convergence.json", "w") as f:
    json.dump({"made_by": f"ArviZ {az.__version__}, make_convergence.py", "normal_quantiles": normal,
               "cases": results}, f, indent=1)
    f.write("\n")
