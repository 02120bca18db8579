"""The draws of two moons that the trainings of Zeghal et al. 2022 (arXiv:2207.05636) learnt from.

Their code draws them from a mixture of TensorFlow Probability (JAX) with the key PRNGKey(0), 5000 at
a time, and takes the first N. Made again here, the first 1000, in single precision, with jax 0.4.30
and tensorflow-probability 0.24.0; the versions of the authors are not known, and another version could
draw otherwise.

    pip install jax==0.4.30 jaxlib==0.4.30 "numpy<2" tensorflow-probability==0.24.0
    python two_moons.py
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tensorflow_probability.substrates.jax import distributions

angle = jnp.linspace(0, jnp.pi, 1024)
outer = jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)
inner = jnp.stack([1 - jnp.cos(angle), 0.5 - jnp.sin(angle)], 1)
centres = jnp.concatenate([outer, inner]) / 5 + 0.45
moons = distributions.MixtureSameFamily(
    distributions.Categorical(probs=jnp.full(2048, 1 / 2048)),
    distributions.MultivariateNormalDiag(loc=centres, scale_diag=jnp.full(2, 0.01)),
)
draws = moons.sample(5000, seed=jax.random.PRNGKey(0))
np.save(Path(__file__).with_suffix(".npy"), np.asarray(draws[:1000], np.float32))
