"""Bugs of the box itself: its watchdog, its fail-safe, its pins, its firewall and its secrets."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

SUPERVISOR = ("tests/test_supervisor.py",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "watchdog-fed-by-a-dead-line",
        "A sense hangs for weeks, and systemd never starts the agent anew.",
        "agent/progress.py",
        "return not any(self._shells[name].vital for name in self.still(now_ns))",
        "return True",
        SUPERVISOR,
    ),
    Mutant(
        "line-not-watched",
        "A hanging serial port is never noticed.",
        "agent/supervisor.py",
        '    "line": 30.0,\n',
        "",
        SUPERVISOR,
    ),
    Mutant(
        "uplink-starves-the-watchdog",
        "A way out that hangs costs the room its lamps.",
        "agent/supervisor.py",
        "self.progress.begin(name, NOT_VITAL_S[kind], now_ns, vital=False)",
        "self.progress.begin(name, NOT_VITAL_S[kind], now_ns)",
        SUPERVISOR,
    ),
    Mutant(
        "failsafe-does-not-beep",
        "The agent is dead for good, and nothing in the room says so.",
        "hw/failsafe.py",
        '        pins.set("horn", on)\n',
        '        pins.set("horn", False)\n',
        ("tests/real/test_failsafe.py::test_the_failsafe_sounds_trouble_and_never_says_ok",),
    ),
    Mutant(
        "failsafe-never-silent",
        "The fail-safe's horn never pauses beside open microphones.",
        "hw/failsafe.py",
        "    if into >= TURN_MS:\n",
        "    if into >= PERIOD_MS:\n",
        ("tests/hw/test_failsafe.py",),
    ),
    Mutant(
        "active-low-reversed",
        "On a relay board the horn sounds while all is well, and is silent in an alarm.",
        "hw/panel.py",
        "active_high=not output.active_low",
        "active_high=True",
        ("tests/hw/test_panel.py",),
    ),
    Mutant(
        "panel-stays-lit-at-the-end",
        "The agent has ended, and `ok` stays green.",
        "hw/panel.py",
        '            _quietly(partial(setattr, devices[name], "value", outputs[name].safe))\n',
        "            pass\n",
        ("tests/hw/test_panel.py",),
    ),
    Mutant(
        "firewall-lets-in",
        "Anybody on the 911 network may talk to the box.",
        "agent/site/admission.py",
        '"    type filter hook input priority filter; policy drop;",',
        '"    type filter hook input priority filter; policy accept;",',
        ("tests/site/test_admission.py",),
    ),
    Mutant(
        "firewall-forwards",
        "The box joins the 911 network with the outside.",
        "agent/site/admission.py",
        '"    type filter hook forward priority filter; policy drop;",\n        "    counter drop",\n',
        '"    type filter hook forward priority filter; policy accept;",\n',
        ("tests/site/test_admission.py",),
    ),
    Mutant(
        "open-secret-taken",
        "Everybody on the box can read its key and speak in its name.",
        "agent/site/secrets.py",
        "if private and status.st_mode & 0o007:",
        "if private and status.st_mode & 0o000:",
        ("tests/site/test_secrets.py",),
    ),
    Mutant(
        "taped-button-pressed-at-each-start",
        "A button that is taped down silences the horn at every start.",
        "agent/buttons.py",
        "            return []\n        out = self.tick(at_ns)",
        '            return [Event(self.name, "pressed", at_ns)] if closed else []\n        out = self.tick(at_ns)',
        ("tests/test_buttons.py",),
    ),
    Mutant(
        "stuck-button-not-told",
        "A broken button is found when it is needed.",
        "agent/buttons.py",
        "if not self.stuck and until_ns - self.pressed_ns >= STUCK_NS:",
        "if not self.stuck and until_ns < self.pressed_ns:",
        ("tests/test_buttons.py",),
    ),
)
