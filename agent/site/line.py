"""The ``[[line]]`` tables of the site file: one struct a dialect, so that each knows its own keys."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from agent.site.columns import ColumnMap
from agent.site.words import Aid, Id, Port, SecretName, Text

Baud = Literal[300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400]
Format = Literal["8N1", "8N2", "8E1", "8O1", "7E1", "7O1", "7N1", "7E2", "7O2", "7N2"]
Trunks = Annotated[dict[Aid, Id], Meta(max_length=1024)]
LinkId = Id
IntervalS = Annotated[float, Meta(ge=1, le=86_400)]
PollS = Annotated[float, Meta(ge=0.1, le=60)]
DebounceS = Annotated[float, Meta(ge=0.05, le=60)]


class Wired(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every line has: its port and how that is set."""

    id: Id
    port: Port
    baud: Baud = 9600
    format: Format = "8N1"
    flow: Literal["none", "rts-cts", "xon-xoff"] = "none"
    heartbeat_s: IntervalS | None = None
    trunks: Trunks = field(default_factory=dict)
    circuit_id: Text | None = None

    @property
    def dialect(self) -> str:
        """The dialect as the site file writes it; the ``sense`` of the line's readings."""
        return str(self.__struct_config__.tag)


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[line.session]``: a TL1 log-in (GR-831 ACT-USER). With it, and only with it, a line sends."""

    user: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,20}\Z", description="1 to 20 letters, digits, _ . -")]
    password: SecretName
    tid: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{0,20}\Z", description="at most 20 letters, digits, _ -")] = ""
    keepalive_s: Annotated[float, Meta(ge=10, le=3600)] = 120.0
    keepalive: Annotated[str, Meta(pattern=r"^[A-Z0-9]+(-[A-Z0-9]+){1,3}\Z", description="a TL1 verb")] = "RTRV-HDR"
    allow: bool = True
    retrieve: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,12}\Z", description="a TL1 class such as T1")], ...],
        Meta(max_length=8),
    ] = ("T1",)


class Tl1Line(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="tl1"):
    """TL1 autonomous messages (GR-833), passive unless there is a ``session``."""

    session: Session | None = None


class CsuLine(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="csu"):
    """Plain-text alarms of a CSU/DSU. ``trunk`` is the T1 it stands on."""

    trunk: Aid = "network"


class CiscoLine(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="cisco"):
    """IOS console messages of a voice gateway; a trunk is a controller's place such as ``0/1/1``."""


class AliLine(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="ali"):
    """A CAD-spill or ALI link, receive only."""

    framing: Literal["stx-etx", "lines", "blank-line", "idle-gap"] = "stx-etx"
    idle_gap_s: Annotated[float, Meta(ge=0.05, le=10)] = 0.5
    check_chars: Annotated[int, Meta(ge=0, le=4)] = 0
    heartbeat_text: Text | None = None
    no_record_text: Text = "NO RECORD FOUND"
    carries: Literal["records", "queries", "both"] = "records"
    link: LinkId | None = None
    side: Literal["a", "b"] = "a"
    sent_on: Literal["ring", "answer"] = "ring"
    record_digit: Annotated[str, Meta(pattern=r"^[0-9]?\Z", description="one digit, or nothing")] = ""


class SmdrLine(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="smdr"):
    """Call records of a switch."""

    switch: Literal[
        "nortel-old", "nortel-new", "mitel", "mitel-extended", "avaya-printer", "avaya-teleseer", "nec",
        "panasonic", "toshiba-e911", "map",
    ]  # fmt: skip
    map: ColumnMap | None = None
    only_trunks: bool = True
    abandoned_recorded: bool = False


Meaning = Literal[
    "cpe-major", "cpe-minor", "loop-current", "make-busy", "no-voice", "on-battery", "generator", "link-power"
]  # fmt: skip


class Contact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contact. ``active``: which position of the wire says that the meaning is true."""

    name: Id
    meaning: Meaning
    active: Literal["open", "closed"] | None = None
    trunk: Aid | None = None
    position: Id | None = None
    debounce_s: DebounceS = 0.1


class ModbusContact(Contact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A contact on a Modbus input, counted from 0 at the first address read."""

    input: Annotated[int, Meta(ge=0, le=255)] = 0


class PinContact(Contact, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A contact on one of the port's own modem lines."""

    input: Literal["dcd", "dsr", "cts", "ri"] = "dcd"


class ModbusLine(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="modbus"):
    """Dry contacts behind a Modbus RTU unit; asked every ``every_s``."""

    contacts: Annotated[tuple[ModbusContact, ...], Meta(min_length=1, max_length=256)]
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    function: Literal["discrete-inputs", "coils"] = "discrete-inputs"
    address: Annotated[int, Meta(ge=0, le=65535)] = 0
    every_s: PollS = 1.0
    timeout_s: Annotated[float, Meta(ge=0.05, le=5)] = 0.5


class ContactsLine(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="contacts"):
    """Dry contacts on the port's own DCD, DSR, CTS and RI; DTR and RTS are their wetting voltage."""

    contacts: Annotated[tuple[PinContact, ...], Meta(min_length=1, max_length=4)]
    every_s: PollS = 0.1
    wetting: Literal["dtr", "rts", "both"] = "dtr"


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the site's own rules over lines of text (RE2 syntax, linear time)."""

    name: Id
    match: Annotated[str, Meta(min_length=1, max_length=500)]
    point: Literal[
        "trunk-down", "los", "lof", "ais", "rai", "loopback", "line-errors", "cpe-alarm", "firewall-fault",
        "router-fault", "far-end-fault", "lan-fault", "ha-degraded", "power-on-battery", "link-quiet",
    ]  # fmt: skip
    subject: Aid = "rule"
    says: Literal["raise", "clear"] = "raise"
    count: Annotated[int, Meta(ge=1, le=1000)] = 1
    within_s: Annotated[float, Meta(gt=0, le=86_400)] = 60.0
    text: Text | None = None


class TextLine(Wired, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="dialect", tag="text"):
    """Any lines of text, read by the site's own rules."""

    rules: Annotated[tuple[Rule, ...], Meta(min_length=1, max_length=64)]


Line = Tl1Line | CsuLine | CiscoLine | AliLine | SmdrLine | ModbusLine | ContactsLine | TextLine
