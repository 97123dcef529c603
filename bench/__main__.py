"""``python -m bench``: measure everything and write docs/benchmarks.md and docs/benchmarks.svg.

With ``--only`` a part is measured and shown; nothing is written then.
"""

import argparse
import subprocess
import sys

from bench import report, scenarios


def main() -> int:
    names = [scenario.name for scenario in scenarios.SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", action="append", choices=names, help="measure only this; may be given several times"
    )
    parser.add_argument("--rounds", type=int, help="how often each program runs; else as often as it takes")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    options = parser.parse_args()

    if subprocess.run([scenarios.CHECKOUT / "tests" / "install-servers.sh", "bench"]).returncode:
        return 69
    measured = []
    with scenarios.place() as here:
        for scenario in scenarios.SCENARIOS:
            if options.only and scenario.name not in options.only:
                continue
            print(f"{scenario.title} …", file=sys.stderr, flush=True)
            results = scenario.run(here, options.rounds or scenario.rounds)
            measured.append(report.Measured(scenario, results))
    print("\n".join(report.summary(measured)))
    for one in measured:
        print("\n".join(["", *report.details(one)]))
    if not options.only:
        docs = scenarios.CHECKOUT / "docs"
        (docs / "benchmarks.md").write_text(report.markdown(measured))
        (docs / "benchmarks.svg").write_text(report.plot(measured))
    return int(options.check and not all(row.kept for row in report.goals(measured)))


if __name__ == "__main__":
    sys.exit(main())
