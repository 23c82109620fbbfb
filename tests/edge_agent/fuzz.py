"""Noise for as long as one likes: `python -m tests.edge_agent.fuzz --seconds 3600`. Exit 1: something raised."""

import argparse
import random
import sys
import time

from tests.edge_agent.test_decoders import noise_to_a_bme680, noise_to_every_decoder, noise_to_every_framer


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    noise, rounds = random.Random(options.seed), 0
    until = time.monotonic() + options.seconds
    while time.monotonic() < until:
        noise_to_every_decoder(noise, 100)
        noise_to_every_framer(noise, 1000)
        noise_to_a_bme680(noise, 1)
        rounds += 1
    print(
        f"seed {options.seed}: {rounds * 100} rounds to every decoder, {rounds * 1000} to every framer; nothing raised"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
