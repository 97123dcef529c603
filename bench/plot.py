"""Draws the figures of docs/benchmarks.md from JSON on stdin, in an environment that has matplotlib.

``{"comparison": [[scenario, {program: ratio, …}], …], "tricks": [[trick, gain], …]}``; a ratio is a program's
time by this project's. The arguments are the two files to write.
"""

import json
import sys
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "red-connectors", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.ticker import FormatStrFormatter, NullFormatter  # noqa: E402

OURS = "this project"
COLOURS = {
    OURS: "#0b6e4f",
    "existing connector": "#c8553d",
    "curl": "#3d5a80",
    "curl -Z": "#3d5a80",
    "sftp": "#3d5a80",
    "xnatpy": "#3d5a80",
    "wget": "#8d6a9f",
    "scp": "#8d6a9f",
    "aria2c": "#e0a030",
    "rsync": "#e0a030",
    "rclone": "#5fa8d3",
    "python3 -I -c pass": "#9aa0a6",
}
OTHER = "#9aa0a6"


def comparison(rows: list[tuple[str, dict[str, float]]], path: str) -> None:
    """A dot for each program, a line for each scenario."""
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.36 * len(rows)), layout="constrained")
    for place, (_, ratios) in enumerate(rows):
        axes.plot([min(ratios.values()), max(ratios.values())], [place, place], color="#bbbbbb", zorder=1)
        for name, ratio in ratios.items():
            axes.scatter(ratio, place, color=COLOURS.get(name, OTHER), s=36, zorder=2, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g ×"))
    axes.axvline(1, color=COLOURS[OURS], zorder=0)
    axes.grid(axis="x", color="#eeeeee")
    axes.set_yticks(range(len(rows)), [title for title, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("time, compared with this project: slower to the right")
    named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), ncols=6, loc="outside upper center", frameon=False)
    _save(figure, path)


def tricks(rows: list[tuple[str, float]], path: str) -> None:
    """A bar for each trick."""
    figure, axes = plt.subplots(figsize=(9, 0.8 + 0.36 * len(rows)), layout="constrained")
    bars = axes.barh([title for title, _ in rows], [gain for _, gain in rows], color=COLOURS[OURS])
    axes.bar_label(bars, fmt="%.2f ×", padding=3)
    axes.set_xscale("log")
    axes.set_xticks([1, 1.3, 2, 3, 5, 10, 20, 50])
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g ×"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(left=0.95)
    axes.axvline(1, color="#222222")
    axes.invert_yaxis()
    axes.set_xlabel("time without the trick, compared with the time with it")
    _save(figure, path)


def _save(figure: Any, path: str) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    data = json.load(sys.stdin)
    comparison(data["comparison"], sys.argv[1])
    tricks(data["tricks"], sys.argv[2])
