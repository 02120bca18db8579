"""Neural posterior, likelihood and ratio estimation: the Python package sbi and `xtask task`.

Both infer the same observation of a task from as many simulations, with their default settings, and
draw as many samples; both are compared with the same draws of the reference posterior by the same
classifier (C2ST of sbi, scikit-learn's MLP). Each runs on its own, one after the other, on the cores
this process may use. Prints a table in Markdown: C2ST, wall and processor seconds of training and
sampling, and the ratio of both. The time of `xtask` is that of the whole command, start of the
program, simulations and files included.

    taskset -c 0 python sbi_race.py --xtask ../../target/release/xtask \\
        --tasks gaussian-linear two-moons slcp --budgets 1000 10000 --methods npe nle nre
"""

import argparse
import contextlib
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from sbi.inference import NLE, NPE, NRE
from sbi.utils import BoxUniform
from sbi.utils.metrics import c2st
from torch.distributions import MultivariateNormal

torch.set_num_threads(max(1, len(os.sched_getaffinity(0))))


def gaussian_linear():
    prior = MultivariateNormal(torch.zeros(10), 0.1 * torch.eye(10))
    return prior, lambda theta: theta + math.sqrt(0.1) * torch.randn_like(theta)


def two_moons():
    def simulate(theta):
        angle = math.pi * (torch.rand(len(theta)) - 0.5)
        radius = 0.1 + 0.01 * torch.randn(len(theta))
        p = torch.stack([radius * angle.cos() + 0.25, radius * angle.sin()], 1)
        along, across = theta[:, 0] + theta[:, 1], theta[:, 1] - theta[:, 0]
        return p + torch.stack([-along.abs(), across], 1) / math.sqrt(2)

    return BoxUniform(-torch.ones(2), torch.ones(2)), simulate


def slcp():
    def simulate(theta):
        s1, s2, rho = theta[:, 2] ** 2, theta[:, 3] ** 2, theta[:, 4].tanh()
        points = []
        for _ in range(4):
            a, b = torch.randn(len(theta)), torch.randn(len(theta))
            points.append(theta[:, 0] + s1 * a)
            points.append(theta[:, 1] + s2 * (rho * a + (1 - rho**2).sqrt() * b))
        return torch.stack(points, 1)

    return BoxUniform(-3 * torch.ones(5), 3 * torch.ones(5)), simulate


TASKS = {"gaussian-linear": gaussian_linear, "two-moons": two_moons, "slcp": slcp}
METHODS = {"npe": NPE, "nle": NLE, "nre": NRE}


def samples(folder):
    return torch.tensor(np.load(Path(folder) / "samples.npz")["samples"], dtype=torch.float32)


def own(given, task, observation, method, budget, seed, folder):
    words = [given.xtask, "task", task, "--observation", observation, "--method", method]
    words += ["--budget", str(budget), "--seed", str(seed), "--draws", str(given.draws)]
    words += ["--no-reference", "--out", str(folder)]
    if given.flow and method != "nre":
        words += ["--flow", given.flow]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return samples(folder), wall, cpu


def peer(task, x, method, budget, seed, draws):
    torch.manual_seed(seed)
    prior, simulate = TASKS[task]()
    theta = prior.sample((budget,))
    data = simulate(theta)
    wall, cpu = time.perf_counter(), time.process_time()
    inference = METHODS[method](prior=prior, show_progress_bars=False)
    inference.append_simulations(theta, data).train()
    posterior = inference.build_posterior()
    drawn = posterior.sample((draws,), x=x, show_progress_bars=False)
    return drawn, time.perf_counter() - wall, time.process_time() - cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--xtask", required=True)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--budgets", nargs="+", type=int, default=[1000, 10000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--draws", type=int, default=10000)
    parser.add_argument("--flow", help="flow of xtask (default: its own); maf is the default of sbi")
    given = parser.parse_args()
    print("| task | method | simulations | seed | C2ST ours | C2ST sbi | "
          "ours, s wall (CPU) | sbi, s wall (CPU) | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for task in given.tasks:
            prior, simulate = TASKS[task]()
            torch.manual_seed(0)
            x = simulate(prior.sample((1,)))
            observation = folder / f"{task}.npy"
            np.save(observation, x.double().numpy())
            words = [given.xtask, "task", task, "--observation", observation, "--method", "nuts"]
            words += ["--draws", str(given.draws), "--out", str(folder / f"{task}-reference")]
            subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
            reference = samples(folder / f"{task}-reference")
            for budget in given.budgets:
                for method in given.methods:
                    for seed in given.seeds:
                        out = folder / f"{task}-{method}-{budget}-{seed}"
                        a, wall_a, cpu_a = own(given, task, observation, method, budget, seed, out)
                        with contextlib.redirect_stdout(sys.stderr):
                            b, wall_b, cpu_b = peer(task, x, method, budget, seed, given.draws)
                        scores = [float(c2st(reference, found)) for found in (a, b)]
                        print(f"| {task} | {method} | {budget} | {seed} | {scores[0]:.3f} | "
                              f"{scores[1]:.3f} | {wall_a:.1f} ({cpu_a:.1f}) | "
                              f"{wall_b:.1f} ({cpu_b:.1f}) | {wall_b / wall_a:.1f} "
                              f"({cpu_b / cpu_a:.1f}) |", flush=True)


if __name__ == "__main__":
    main()
