"""Connection faults: any connector with a real server, and a relay in between."""

from connectors.errors import Exit
from torture import line
from torture.case import Case, kind
from torture.place import SCENES, Scene
from torture.trial import LATER, MOVING_VERBS, SENSIBLE, Trial

GROUP = "Lines that fail"
BROKEN = LATER | {Exit.PROTOCOL}
"""After a cut in a handshake (SSH, TLS) either the connection or the server may be the cause."""


def _try(case: Case, scene: Scene, name: str) -> None:
    with scene.make(case.place, case.name) as server:
        verbs = [verb for verb in MOVING_VERBS if verb in server.verbs and verb not in scene.without]
        verb = case.pick(verbs)
        damage = name in ("flip", "lose")
        proves = None if scene.safe or not damage else True
        trial = Trial(
            case,
            server,
            verb,
            checking=case.chance(0.2),
            listing=proves if verb.of_directory else None,
            checked=proves,
        )
        total = sum(map(len, trial.content.values())) + 6000
        after = int(case.random.random() ** case.pick((1, 3)) * total)
        up = case.chance(0.4)
        fault = line.Fault(name, after, up, case.pick((-1, -1, 0, 1, 2)))
        case.note(f"{name} after {after} bytes {'up' if up else 'down'}, connection {fault.connection}")
        slow = name in ("stall", "lose")
        env = {
            "RED_RETRIES": str(case.pick((0, 0, 0, 1, 2))),
            "RED_PARALLEL": str(case.pick((1, 2, 8))),
            "RED_TIMEOUT": "0.6" if slow else "10",
        }
        with line.relay(server.port, fault) as relay:
            outcome = trial.run(relay.port, env=env)
            if name == "trickle":
                codes = frozenset()
            elif damage:
                codes = SENSIBLE | {Exit.CONFIG}
            else:
                codes = BROKEN if scene.safe else LATER
            trial.fault(outcome, codes, struck=relay.struck or slow)
        if outcome.code:
            trial.clean()


def _register(scene: Scene, name: str) -> None:
    @kind(GROUP, f"{scene.name}: {WHAT[name]}", needs=scene.needs)
    def try_it(case: Case) -> None:
        _try(case, scene, name)


WHAT = {
    "cut": "the connection is closed",
    "reset": "the connection is reset",
    "stall": "nothing more comes",
    "trickle": "it comes byte by byte",
    "flip": "a bit is turned over",
    "lose": "bytes are lost",
}
for _scene in SCENES:
    for _name in WHAT:
        if _scene.safe or _name not in ("flip", "lose"):
            _register(_scene, _name)
