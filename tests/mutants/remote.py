"""Bugs of what the NOC may say to a box."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PURE = ("tests/remote/test_pure.py",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "version-may-fall",
        "Somebody brings back last year's site file, and the box watches what is no longer there.",
        "agent/remote/desired.py",
        "if said.version <= running.version:",
        "if said.version == running.version:",
        PURE,
    ),
    Mutant(
        "base-unchecked",
        "A change that the technician has just made on site is overwritten from afar.",
        "agent/remote/desired.py",
        "if said.base != running.sha256:",
        "if not said.base:",
        PURE,
    ),
    Mutant(
        "file-of-another-site",
        "A box takes the site file of another centre.",
        "agent/remote/desired.py",
        "if (said.site, said.probe) != (site.id, site.probe):",
        "if not said.site:",
        PURE,
    ),
    Mutant(
        "trial-never-rolled-back",
        "A site file that cuts the box off stays, and somebody has to drive there.",
        "agent/remote/trial.py",
        '    ("trial", "timed-out"): ("rolled-back", "previous"),',
        '    ("trial", "timed-out"): ("applied", "new"),',
        PURE,
    ),
    Mutant(
        "crashing-file-tried-for-ever",
        "A site file that crashes the agent is tried again and again, and nobody watches the centre.",
        "agent/remote/choice.py",
        'event = "started-too-often" if kept.tries > TRIES_MAX else "started"',
        'event = "started"',
        ("tests/remote/test_vault.py",),
    ),
    Mutant(
        "detectors-off-from-afar",
        "Whoever steals a signing key switches the box's detectors off.",
        "agent/remote/local_only.py",
        "if getattr(running.calls, key) and not getattr(new.calls, key):",
        "if getattr(running.calls, key) and getattr(new.calls, key) is None:",
        PURE,
    ),
    Mutant(
        "new-port-from-afar",
        "From afar the box is made to write on a port that must only be listened to.",
        "agent/remote/local_only.py",
        "        elif port != line.port:\n",
        "        elif not line.port:\n",
        PURE,
    ),
    Mutant(
        "expired-command-executed",
        "A command of last week that was held up silences today's alarm.",
        "agent/remote/commands.py",
        "if not left_s > 0:",
        "if not left_s > -1e12:",
        PURE,
    ),
    Mutant(
        "shelve-not-enabled",
        "A site that allows no commands from afar has its alarms shelved from afar.",
        "agent/remote/commands.py",
        "if name not in remote.commands:",
        "if name not in schema.COMMANDS:",
        PURE,
    ),
    Mutant(
        "command-carried-out-twice",
        "A restart that comes twice takes the box away for twice as long.",
        "agent/remote/commands.py",
        "        if id_ in self._taken:\n            return False\n",
        "",
        PURE,
    ),
    Mutant(
        "signed-for-another-site",
        "A command signed for one centre is replayed at all others.",
        "agent/remote/commands.py",
        "if by and (said.site, said.probe, said.command) != (site.id, site.probe, name):",
        "if by and said.command != name:",
        PURE,
    ),
    Mutant(
        "unsigned-shelve",
        "Anybody who reaches the broker can make the box mute.",
        "agent/site/schema.py",
        'SIGNED_COMMANDS: tuple[Command, ...] = ("shelve", "restart", "test-call")',
        'SIGNED_COMMANDS: tuple[Command, ...] = ("restart", "test-call")',
        PURE,
    ),
    Mutant(
        "retained-command-executed",
        "A command that a broker keeps is carried out at each new connection.",
        "agent/remote/orders.py",
        "            if message.retained:\n",
        "            if message.retained and not message.topic:\n",
        ("tests/real/test_remote.py::test_a_retained_command_is_not_carried_out",),
    ),
)
