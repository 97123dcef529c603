"""``python -m bench``: measure everything and write docs/benchmarks.md with its figures.

``python -m bench NAME …`` measures names with that prefix (``ssh``, ``ssh-send-files``) and shows the
results; it writes nothing.
"""

import argparse
import subprocess
import sys

from bench import ablation, report
from bench.place import CHECKOUT, place
from bench.scenarios import SCENARIOS


def main() -> int:
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="measure only what begins so: " + ", ".join(names))
    parser.add_argument("--rounds", type=int, help="how often each program runs; else as often as it takes")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a goal is missed")
    options = parser.parse_args()
    begins = tuple(options.names) or ("",)
    chosen = [scenario for scenario in SCENARIOS if scenario.name.startswith(begins)]
    if not chosen:
        parser.error("nothing begins so; there are " + ", ".join(names))

    if subprocess.run([CHECKOUT / "tests" / "install-servers.sh", "bench"]).returncode:
        return 69
    measured = []
    with place() as here:
        for scenario in chosen:
            print(f"{scenario.title} …", file=sys.stderr, flush=True)
            results = scenario.run(here, options.rounds or scenario.rounds)
            measured.append(report.Measured(scenario, results))
            print("\n".join([*report.details(measured[-1]), ""]), flush=True)
    tricks = [one for one in measured if one.scenario in ablation.SCENARIOS]
    compared = [one for one in measured if one not in tricks]
    print("\n".join([*report.summary(compared), "", *report.gains(tricks)]))
    if not options.names:
        docs = CHECKOUT / "docs"
        (docs / "benchmarks.md").write_text(report.markdown(compared, tricks))
        report.draw(compared, tricks, docs)
    return int(options.check and not all(row.kept for row in report.goals(compared)))


if __name__ == "__main__":
    sys.exit(main())
