"""A Modbus RTU unit as a process of its own, pymodbus's: ``python modbus_unit.py PORT INPUTS``, say ``1111``.

Each line on its standard input sets the inputs anew, first first. Coils stay off and fewer, so that they differ.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer

DISCRETE_INPUTS = 2


def levels(text: str) -> list[bool]:
    return [sign == "1" for sign in text.strip()]


async def serve(port: str, inputs: str) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    block = ModbusSequentialDataBlock(1, levels(inputs))
    device = ModbusDeviceContext(di=block, co=ModbusSequentialDataBlock(1, [False]))
    server = ModbusSerialServer(
        ModbusServerContext(devices={17: device}, single=False),
        framer=FramerType.RTU,
        port=port,
        baudrate=9600,
        ignore_missing_devices=True,
    )
    await server.serve_forever(background=True)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        device.setValues(DISCRETE_INPUTS, 0, levels(line))
        print("set", flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
