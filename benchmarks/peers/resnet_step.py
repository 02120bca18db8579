"""Forward and backward pass of ResNet-18 in PyTorch.

The network and batch of `benches/compression.rs`: 16 maps of 5 x 64 x 64, 6 outputs, batch
normalisation in training mode. Prints the least and the median time, forward alone and both, in the
default memory format and with channels last, on as many threads as cores that this process may use.

    taskset -c 0 python resnet_step.py [repeats]
"""

import os
import statistics
import sys
import time

import torch
from torch import nn

SHAPE, OUTPUTS = (16, 5, 64, 64), 6


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet18():
    layers = [
        nn.Conv2d(SHAPE[1], 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    inputs = 64
    for stage, width in enumerate([64, 128, 256, 512]):
        layers += [Block(inputs, width, 1 if stage == 0 else 2), Block(width, width, 1)]
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, OUTPUTS))


def report(name, repeats, work):
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    print(f"{name}: least {min(times):.1f} ms, median {statistics.median(times):.1f} ms")


def main():
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for layout in (torch.contiguous_format, torch.channels_last):
        network = resnet18().to(memory_format=layout).train()
        maps = torch.sin(1.7 * torch.arange(16 * 5 * 64 * 64, dtype=torch.float32))
        maps = maps.reshape(SHAPE).to(memory_format=layout)

        def both():
            network.zero_grad()
            network(maps).sum().backward()

        with torch.no_grad():
            report(f"forward, {layout}", repeats, lambda: network(maps))
        report(f"both, {layout}", repeats, both)


if __name__ == "__main__":
    main()
