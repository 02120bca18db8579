"""Training step of a conditional affine coupling flow in PyTorch, on one thread.

The network, batch and losses of `benches/flows.rs`: 6 features given 6, four couplings with two
hidden layers of 128 and silu, batch 128, Adam. Prints the least and the median time of a step, plain
and with the score of the features in the loss, and the time of 10 000 draws and densities.

    python flow_step.py [steps]
"""

import math
import statistics
import sys
import time

import torch
from torch import nn

FEATURES, CONTEXT, BATCH, ROWS = 6, 6, 128, 10_000
KEPT = FEATURES // 2
SCORE_WEIGHT = 1e-3


class Flow(nn.Module):
    def __init__(self):
        super().__init__()
        moved = FEATURES - KEPT
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(KEPT + CONTEXT, 128),
                nn.SiLU(),
                nn.Linear(128, 128),
                nn.SiLU(),
                nn.Linear(128, 2 * moved),
            )
            for _ in range(4)
        )

    @staticmethod
    def parameters_of(network, kept, context):
        raw_scale, shift = network(torch.cat([kept, context], 1)).chunk(2, 1)
        return 4.0 * torch.tanh(raw_scale / 4.0), shift

    def log_prob(self, x, context):
        log_det = 0.0
        for index, network in enumerate(self.networks):
            if index > 0:
                x = x.flip(1)
            kept, moved = x[:, :KEPT], x[:, KEPT:]
            log_scale, shift = self.parameters_of(network, kept, context)
            x = torch.cat([kept, moved * torch.exp(log_scale) + shift], 1)
            log_det = log_det + log_scale.sum(1)
        return log_det - 0.5 * x.square().sum(1) - 0.5 * FEATURES * math.log(2.0 * math.pi)

    def sample(self, context):
        z = torch.randn(context.shape[0], FEATURES)
        for index, network in reversed(list(enumerate(self.networks))):
            kept, moved = z[:, :KEPT], z[:, KEPT:]
            log_scale, shift = self.parameters_of(network, kept, context)
            z = torch.cat([kept, (moved - shift) * torch.exp(-log_scale)], 1)
            if index > 0:
                z = z.flip(1)
        return z


def numbers(rows, columns, phase):
    return torch.sin(1.7 * torch.arange(rows * columns, dtype=torch.float32) + phase).reshape(
        rows, columns
    )


def report(name, repeats, work):
    for _ in range(max(3, repeats // 10)):
        work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    print(f"{name}: least {min(times):.2f} ms, median {statistics.median(times):.2f} ms")


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    torch.set_num_threads(1)
    torch.manual_seed(1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread")
    x, context = numbers(BATCH, FEATURES, 0.0), numbers(BATCH, CONTEXT, 1.0)
    target = numbers(BATCH, FEATURES, 2.0)

    # `fused` makes one kernel of Adam, the fastest that PyTorch has
    for fused in (False, True):
        flow = Flow()
        optimizer = torch.optim.Adam(flow.parameters(), lr=1e-4, fused=fused)

        def plain():
            optimizer.zero_grad()
            (-flow.log_prob(x, context).mean()).backward()
            optimizer.step()

        def with_score():
            optimizer.zero_grad()
            features = x.clone().requires_grad_(True)
            log_prob = flow.log_prob(features, context)
            (score,) = torch.autograd.grad(log_prob.sum(), features, create_graph=True)
            miss = (score - target).square().sum(1).mean()
            (SCORE_WEIGHT * miss - log_prob.mean()).backward()
            optimizer.step()

        adam = "fused Adam" if fused else "Adam"
        report(f"step, {adam}", steps, plain)
        report(f"step with score, {adam}", steps, with_score)

    x, context = numbers(ROWS, FEATURES, 0.0), numbers(ROWS, CONTEXT, 1.0)
    with torch.no_grad():
        report("10 000 draws", 20, lambda: flow.sample(context))
        report("10 000 densities", 20, lambda: flow.log_prob(x, context))


if __name__ == "__main__":
    main()
