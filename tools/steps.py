"""Run the steps of `make test` in turn and print how long each took: `python -m tools.steps lint types …`.

A failed step does not stop the others, so that one run shows all failures.
"""

import subprocess
import sys
import time


def main(steps: list[str]) -> int:
    """Run `make STEP` for each; return 0 if all passed."""
    results: list[tuple[str, bool, float]] = []
    for step in steps:
        print(f"\n── {step}", flush=True)
        began = time.monotonic()
        try:
            passed = subprocess.run(["make", "--no-print-directory", step], check=False).returncode == 0
        except KeyboardInterrupt:
            return 130
        results.append((step, passed, time.monotonic() - began))
        print(f"── {step}: {'passed' if passed else 'FAILED'} in {results[-1][2]:.1f} s", flush=True)
    print("\nwhere the time went:")
    for step, passed, seconds in results:
        print(f"  {seconds:7.1f} s  {step}{'' if passed else '  FAILED'}")
    print(f"  {sum(seconds for _, _, seconds in results):7.1f} s  in all", flush=True)
    return 0 if all(passed for _, passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
