"""`python -m tests.proof.soak --minutes=60`: exit code 1 if anything grew, or NetBird has other integrations."""

import argparse
import sys
import time

from tests.harness.controlplane import ControlPlane
from tests.harness.end_to_end import QUICK_LEASE, raised
from tests.harness.kubectl_team import new_team
from tests.proof.soak.growth import Sample, grown, growth, sample
from tests.proof.soak.rounds import Rounds


def main() -> int:
    """Run for the given time, and print each round."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="the duration (default: 20)")
    minutes: float = parser.parse_args().minutes
    samples: list[Sample] = []
    with ControlPlane.start() as plane, raised(plane, *QUICK_LEASE) as scene, new_team(scene) as team:
        rounds = Rounds(scene, team)
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            before = len(scene.log())
            rounds.run()
            rounds.check()
            samples.append(sample(scene.operator.pid, len(scene.log()) - before))
            print(f"round {len(samples)}: {samples[-1]}", flush=True)
    shares = ", ".join(f"{name} {share:+.1%}" for name, share in growth(samples).items())
    print(f"{len(samples)} rounds; the last third against the first after the warm-up: {shares}")
    too_much = grown(samples)
    print(f"grew: {', '.join(too_much)}" if too_much else "nothing grew")
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
