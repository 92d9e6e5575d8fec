"""PCMU, pure: the mu-law of ITU-T G.711 to 16-bit linear samples and back."""

from __future__ import annotations

from collections.abc import Sequence

SILENCE = 0xFF
"""The code of a sample of 0."""
_BIAS = 0x84
_CLIP = 0x7FFF - _BIAS


def _linear(code: int) -> int:
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + _BIAS) << (code >> 4 & 7)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


def _code(sample: int) -> int:
    # As ITU-T G.191 does it: negative samples in one's complement, 14 bits count.
    sign, magnitude = (0x80, ~sample) if sample < 0 else (0, sample)
    magnitude = (min(magnitude, _CLIP) & ~3) + _BIAS
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


_LINEAR = tuple(_linear(code) for code in range(256))
# The two lowest bits of a sample change no code: a table over the upper 14 bits, as two's complement.
_CODE = bytes(_code(upper << 2) for upper in (*range(8192), *range(-8192, 0)))


def decode(payload: bytes) -> list[int]:
    """16-bit linear samples, one for each byte."""
    return [_LINEAR[code] for code in payload]


def encode(samples: Sequence[int]) -> bytes:
    """One byte for each 16-bit sample; louder ones are clipped."""
    return bytes([_CODE[min(max(sample, -32768), 32767) >> 2 & 0x3FFF] for sample in samples])
