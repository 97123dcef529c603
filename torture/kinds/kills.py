"""Signals: kill the program at some byte, or after some time."""

import contextlib
import os
import signal
import threading
import time

from connectors.errors import Exit
from torture import line
from torture.case import Case, Violation, kind
from torture.place import SCENES, Scene
from torture.trial import MOVING_VERBS, Trial

GROUP = "Signals"
SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: Exit.TERMINATED, signal.SIGINT: Exit.INTERRUPTED}


def _try(case: Case, scene: Scene, sign: signal.Signals) -> None:
    with scene.make(case.place, case.name) as server:
        verbs = [verb for verb in MOVING_VERBS if verb in server.verbs and verb not in scene.without]
        trial = Trial(case, server, case.pick(verbs))
        trial.really = case.chance(0.05)
        running = threading.Event()
        process: list[int] = []

        def kill() -> None:
            running.wait(5)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process[0], sign)

        def later(pid: int) -> None:
            process.append(pid)
            running.set()
            if by_time:
                time.sleep(seconds)
                kill()

        by_time = case.chance(0.5)
        seconds = case.random.random() ** 2 * 0.3
        total = sum(map(len, trial.content.values())) + 4000
        fault = line.Fault("call", int(case.random.random() * total), up=case.chance(0.5), call=kill)
        case.note(f"{sign.name} after {f'{seconds:.3f} s' if by_time else f'{fault.after} bytes'}")
        with line.relay(server.port, fault) as relay:
            outcome = trial.killed(0 if by_time else relay.port, later)
        code = int(SIGNALS[sign])
        early = trial.really or by_time  # before their handler is installed
        if outcome.code not in (0, code) and not (early and outcome.code == -sign):
            raise Violation(f"exit {outcome.code}, not {code}")
        if outcome.code:
            trial.clean()


def _register(scene: Scene, sign: signal.Signals) -> None:
    @kind(GROUP, f"{scene.name}: {sign.name}", weight=1.5, needs=scene.needs)
    def try_it(case: Case) -> None:
        _try(case, scene, sign)


for _scene in SCENES:
    for _sign in SIGNALS:
        _register(_scene, _sign)
