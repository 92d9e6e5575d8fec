"""A Modbus RTU unit 17 as a process of its own, pymodbus's: ``python modbus_unit.py PORT INPUTS``, say ``1111``.

Each line on its standard input sets the inputs anew, first first. It has discrete inputs 0 to 63 and no others.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadDiscreteInputsResponse
from pymodbus.server import ModbusSerialServer

INPUTS = 64


class Inputs:
    """What the inputs look like now; put into each answer, as pymodbus's versions differ in how to set them."""

    def __init__(self, text: str) -> None:
        self.levels: list[bool] = []
        self.set(text)

    def set(self, text: str) -> None:
        self.levels = [sign == "1" for sign in text.strip().ljust(INPUTS, "0")]

    def answer(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if sending and isinstance(pdu, ReadDiscreteInputsResponse):
            pdu.bits = self.levels[: len(pdu.bits)]
        return pdu


async def serve(port: str, inputs: Inputs) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    device = ModbusDeviceContext(di=ModbusSequentialDataBlock(1, [False] * INPUTS))
    server = ModbusSerialServer(
        ModbusServerContext(devices={17: device}, single=False),
        framer=FramerType.RTU,
        port=port,
        baudrate=9600,
        ignore_missing_devices=True,
        trace_pdu=inputs.answer,
    )
    await server.serve_forever(background=True)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        inputs.set(line)
        print("set", flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Inputs(sys.argv[2])))
