"""The generator of the reference data; tests/generator/mod.rs has the same lines."""
import numpy as np


def uniforms(seed, count):
    state, out = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state // 2**11) / 2**53)
    return np.array(out)


def normals(seed, *shape):
    u = uniforms(seed, 2 * int(np.prod(shape)))
    z = np.sqrt(-2 * np.log(1 - u[0::2])) * np.cos(2 * np.pi * u[1::2])
    return z.reshape(shape)
