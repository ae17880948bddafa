"""The processor in long stretches: what touches only its memories, at the speed of machine code.

May import the standard library, NumPy, Numba and `rp2040py`. `_interpret` is a plain ARMv6-M
interpreter, which Numba compiles once (some seconds) and keeps beside this file. It runs
instructions for as long as they touch nothing but memory, SIO's divider, its spin locks, the number
of the core and the timer's count, and gives back to rp2040py whatever else comes: every other
register of the chip, exceptions, sleep. So each peripheral, and the time at which it is reached,
are rp2040py's.

Cycles are counted as rp2040py counts them, and tests/unit/emulator/test_processor.py holds each
instruction against it. Where its arithmetic departs from the ARMv6-M manual (flags of ADCS and SBCS
at the ends of the range, carry of a shift by zero or by more than 32, STM's base, BLX LR) this file
follows the manual.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from typing import Any, Protocol

import numba as _untyped_numba
import numpy as np

numba: Any = _untyped_numba
CYCLE_NS = 8  # 125 MHz, fixed in rp2040py

# `state`: what `_interpret` is given and leaves, besides registers and memories.
BUDGET = 0  # cycles; an instruction that begins within it is finished
USED = 1  # cycles that were
FLAGS = 2  # N Z C V in bits 31...28, as in APSR
MASKED = 3  # PRIMASK
DUE = 4  # an interrupt that is enabled waits: lifting PRIMASK has to be looked at
EXCEPTION = 5  # IPSR
DIVIDEND, DIVISOR, QUOTIENT, REMAINDER, DIV_CSR = range(6, 11)
SPIN_LOCKS = 11
EVENT = 12  # SEV was executed
NOW_NS, TIMER_ZERO_NS = 13, 14  # floats: the time at the beginning, and when TIMER was 0
STATE_SIZE = 15

# What `_interpret` returns
_SPENT = 0  # the budget
_FOREIGN = 1  # the instruction at PC is rp2040py's
_UNMASKED = 2  # PRIMASK has been lifted, and an interrupt waits

_ROM_BYTES = 16 * 1024
_FLASH = 0x10000000
_FLASH_BYTES = 16 * 1024 * 1024
_RAM = 0x20000000
_RAM_BYTES = 264 * 1024
_SIO = 0xD0000000
_TIMERAWH, _TIMERAWL = 0x40054024, 0x40054028


@numba.njit(cache=True)
def divide(dividend: int, divisor: int, signed: bool) -> tuple[int, int]:
    """(quotient, remainder) of SIO's divider, 32 bits each; by zero as data sheet 2.3.1.5 says."""
    if signed:
        dividend = (dividend & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        divisor = (divisor & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    if divisor == 0:
        quotient = 1 if signed and dividend < 0 else -1
        return quotient & 0xFFFFFFFF, dividend & 0xFFFFFFFF
    quotient = abs(dividend) // abs(divisor)
    if (dividend < 0) != (divisor < 0):
        quotient = -quotient
    return quotient & 0xFFFFFFFF, (dividend - quotient * divisor) & 0xFFFFFFFF


# -- interpreting ---------------------------------------------------------------------------------

# How an instruction reaches memory, if it does
_LOAD, _LOAD16, _LOAD8, _LOAD_S8, _LOAD_S16, _STORE, _STORE16, _STORE8 = range(1, 9)
_PC, _LR, _SP = 15, 14, 13
_WORD = 0xFFFFFFFF


@numba.cfunc("int64(voidptr, voidptr, voidptr, voidptr, voidptr)", cache=True)
def _interpret(at_registers: Any, at_state: Any, at_ram: Any, at_flash: Any, at_rom: Any) -> int:
    """Run until the budget is spent or something is not ours. Compiled; all values are 64 bits.

    An instruction that is not ours is left alone: nothing of it has been done. Encodings and
    flags: ARMv6-M Architecture Reference Manual, A5 and A6.
    """
    reg = numba.carray(at_registers, (16,), np.uint32)
    state = numba.carray(at_state, (STATE_SIZE,), np.int64)
    state_f = numba.carray(at_state, (STATE_SIZE,), np.float64)
    ram = numba.carray(at_ram, (_RAM_BYTES,), np.uint8)
    ram16 = numba.carray(at_ram, (_RAM_BYTES // 2,), np.uint16)
    ram32 = numba.carray(at_ram, (_RAM_BYTES // 4,), np.uint32)
    flash = numba.carray(at_flash, (_FLASH_BYTES,), np.uint8)
    flash16 = numba.carray(at_flash, (_FLASH_BYTES // 2,), np.uint16)
    flash32 = numba.carray(at_flash, (_FLASH_BYTES // 4,), np.uint32)
    rom = numba.carray(at_rom, (_ROM_BYTES,), np.uint8)
    rom16 = numba.carray(at_rom, (_ROM_BYTES // 2,), np.uint16)
    rom32 = numba.carray(at_rom, (_ROM_BYTES // 4,), np.uint32)
    flags = state[FLAGS]
    n = flags >> 31 & 1
    z = flags >> 30 & 1
    c = flags >> 29 & 1
    v = flags >> 28 & 1
    masked = state[MASKED]
    budget = state[BUDGET]
    used = 0
    pc = np.int64(reg[_PC]) & 0xFFFFFFFE
    why = _SPENT
    while used < budget:
        if pc >> 24 == 0x10:
            op = np.int64(flash16[(pc & 0xFFFFFF) >> 1])
        elif _RAM <= pc < _RAM + _RAM_BYTES:
            op = np.int64(ram16[(pc - _RAM) >> 1])
        elif pc < _ROM_BYTES:
            op = np.int64(rom16[pc >> 1])
        else:
            why = _FOREIGN
            break
        follows = pc + 2
        cycles = 1  # 0: not ours
        access = 0
        address = 0
        at = op & 7  # the register that is read, written, loaded or stored
        top = op >> 11
        if top == 0:  # LSLS (immediate), MOVS (register)
            x = np.int64(reg[op >> 3 & 7])
            by = op >> 6 & 31
            if by:
                c = x >> (32 - by) & 1
            y = x << by & _WORD
            reg[at] = y
            n = y >> 31
            z = np.int64(y == 0)
        elif top == 1:  # LSRS (immediate)
            x = np.int64(reg[op >> 3 & 7])
            by = op >> 6 & 31
            if by == 0:
                by = 32
            c = x >> (by - 1) & 1
            y = x >> by
            reg[at] = y
            n = y >> 31
            z = np.int64(y == 0)
        elif top == 2:  # ASRS (immediate)
            x = (np.int64(reg[op >> 3 & 7]) ^ 0x80000000) - 0x80000000
            by = op >> 6 & 31
            if by == 0:
                by = 32
            c = x >> (by - 1) & 1
            y = x >> by & _WORD
            reg[at] = y
            n = y >> 31
            z = np.int64(y == 0)
        elif top == 3 or top == 6 or top == 7:  # ADDS, SUBS (register, 3 and 8 bits)
            if top == 3:
                x = np.int64(reg[op >> 3 & 7])
                w = op >> 6 & 7
                if op & 0x400 == 0:
                    w = np.int64(reg[w])
                down = op & 0x200
            else:
                at = op >> 8 & 7
                x = np.int64(reg[at])
                w = op & 0xFF
                down = np.int64(top == 7)
            if down:
                y = (x - w) & _WORD
                c = np.int64(x >= w)
                v = ((x ^ w) & (x ^ y)) >> 31 & 1
            else:
                y = x + w
                c = y >> 32
                y &= _WORD
                v = (~(x ^ w) & (x ^ y)) >> 31 & 1
            reg[at] = y
            n = y >> 31
            z = np.int64(y == 0)
        elif top == 4:  # MOVS (8 bits)
            y = op & 0xFF
            reg[op >> 8 & 7] = y
            n = 0
            z = np.int64(y == 0)
        elif top == 5:  # CMP (8 bits)
            x = np.int64(reg[op >> 8 & 7])
            w = op & 0xFF
            y = (x - w) & _WORD
            n = y >> 31
            z = np.int64(y == 0)
            c = np.int64(x >= w)
            v = ((x ^ w) & (x ^ y)) >> 31 & 1
        elif top == 8 and op & 0x400 == 0:  # data processing, low registers
            kind = op >> 6 & 15
            x = np.int64(reg[at])
            w = np.int64(reg[op >> 3 & 7])
            y = x
            if kind == 0 or kind == 8:  # ANDS, TST
                y = x & w
            elif kind == 1:  # EORS
                y = x ^ w
            elif kind == 2:  # LSLS
                by = w & 0xFF
                if by > 32:
                    c = 0
                    y = 0
                elif by:
                    c = x >> (32 - by) & 1
                    y = x << by & _WORD
            elif kind == 3:  # LSRS
                by = w & 0xFF
                if by > 32:
                    c = 0
                    y = 0
                elif by:
                    c = x >> (by - 1) & 1
                    y = x >> by
            elif kind == 4:  # ASRS
                by = min(w & 0xFF, 32)
                if by:
                    y = (x ^ 0x80000000) - 0x80000000
                    c = y >> (by - 1) & 1
                    y = y >> by & _WORD
            elif kind == 5:  # ADCS
                y = x + w + c
                c = y >> 32
                y &= _WORD
                v = (~(x ^ w) & (x ^ y)) >> 31 & 1
            elif kind == 6:  # SBCS
                y = x - w - 1 + c
                c = np.int64(y >= 0)
                y &= _WORD
                v = ((x ^ w) & (x ^ y)) >> 31 & 1
            elif kind == 7:  # RORS
                by = w & 31
                if by:
                    y = (x >> by | x << (32 - by)) & _WORD
                if w & 0xFF:
                    c = y >> 31
            elif kind == 9:  # RSBS: 0 - w
                y = -w & _WORD
                c = np.int64(w == 0)
                v = (w & y) >> 31
            elif kind == 10:  # CMP
                y = (x - w) & _WORD
                c = np.int64(x >= w)
                v = ((x ^ w) & (x ^ y)) >> 31 & 1
            elif kind == 11:  # CMN
                y = x + w
                c = y >> 32
                y &= _WORD
                v = (~(x ^ w) & (x ^ y)) >> 31 & 1
            elif kind == 12:  # ORRS
                y = x | w
            elif kind == 13:  # MULS
                y = x * w & _WORD
            elif kind == 14:  # BICS
                y = x & ~w
            else:  # MVNS
                y = ~w & _WORD
            n = y >> 31
            z = np.int64(y == 0)
            if kind != 8 and kind != 10 and kind != 11:
                reg[at] = y
        elif top == 8:  # high registers, BX, BLX
            kind = op >> 8 & 3
            m = op >> 3 & 15
            w = pc + 4 if m == _PC else np.int64(reg[m])
            if kind == 3:
                if op & 7 or m == _PC or w >> 28 == 0xF:  # nothing known; an exception's return
                    cycles = 0
                else:
                    if op & 0x80:
                        reg[_LR] = follows | 1
                    follows = w & 0xFFFFFFFE
                    cycles = 2
            else:
                d = op >> 4 & 8 | op & 7
                x = pc + 4 if d == _PC else np.int64(reg[d])
                if kind == 1:  # CMP
                    y = (x - w) & _WORD
                    n = y >> 31
                    z = np.int64(y == 0)
                    c = np.int64(x >= w)
                    v = ((x ^ w) & (x ^ y)) >> 31 & 1
                else:  # ADD, MOV
                    y = (x + w) & _WORD if kind == 0 else w
                    if d == _PC:
                        follows = y & 0xFFFFFFFE
                        cycles = 2
                    elif d == _SP:
                        reg[_SP] = y & 0xFFFFFFFC
                    else:
                        reg[d] = y
        elif top == 9:  # LDR (literal)
            at = op >> 8 & 7
            address = (pc + 4 & 0xFFFFFFFC) + ((op & 0xFF) << 2)
            access = _LOAD
        elif top == 10 or top == 11:  # loads and stores with two registers
            address = np.int64(reg[op >> 3 & 7]) + np.int64(reg[op >> 6 & 7]) & _WORD
            kind = op >> 9 & 7
            if kind == 0:
                access = _STORE
            elif kind == 1:
                access = _STORE16
            elif kind == 2:
                access = _STORE8
            elif kind == 3:
                access = _LOAD_S8
            elif kind == 4:
                access = _LOAD
            elif kind == 5:
                access = _LOAD16
            elif kind == 6:
                access = _LOAD8
            else:
                access = _LOAD_S16
        elif 12 <= top <= 17:  # loads and stores with an offset
            by = op >> 6 & 31
            if top == 12 or top == 13:
                by <<= 2
                access = _STORE if top == 12 else _LOAD
            elif top == 14 or top == 15:
                access = _STORE8 if top == 14 else _LOAD8
            else:
                by <<= 1
                access = _STORE16 if top == 16 else _LOAD16
            address = np.int64(reg[op >> 3 & 7]) + by & _WORD
        elif top == 18 or top == 19:  # the same from SP
            at = op >> 8 & 7
            address = np.int64(reg[_SP]) + ((op & 0xFF) << 2) & _WORD
            access = _STORE if top == 18 else _LOAD
        elif top == 20:  # ADR
            reg[op >> 8 & 7] = (pc + 4 & 0xFFFFFFFC) + ((op & 0xFF) << 2)
        elif top == 21:  # ADD (register = SP plus immediate)
            reg[op >> 8 & 7] = np.int64(reg[_SP]) + ((op & 0xFF) << 2) & _WORD
        elif top == 22:
            kind = op >> 8 & 7
            if kind == 0:  # ADD, SUB (SP)
                by = (op & 0x7F) << 2
                if op & 0x80:
                    by = -by
                reg[_SP] = np.int64(reg[_SP]) + by & 0xFFFFFFFC
            elif kind == 2:  # extensions
                x = np.int64(reg[op >> 3 & 7])
                kind = op >> 6 & 3
                if kind == 0:
                    y = (x & 0xFFFF ^ 0x8000) - 0x8000
                elif kind == 1:
                    y = (x & 0xFF ^ 0x80) - 0x80
                elif kind == 2:
                    y = x & 0xFFFF
                else:
                    y = x & 0xFF
                reg[at] = y & _WORD
            elif kind == 4 or kind == 5:  # PUSH
                base = np.int64(reg[_SP])
                for k in range(9):
                    base -= (op >> k & 1) << 2
                address = base - _RAM
                if address < 0 or np.int64(reg[_SP]) > _RAM + _RAM_BYTES or base & 3:
                    cycles = 0
                else:
                    reg[_SP] = base
                    for k in range(8):
                        if op >> k & 1:
                            ram32[address >> 2] = reg[k]
                            address += 4
                            cycles += 1
                    if op & 0x100:
                        ram32[address >> 2] = reg[_LR]
            elif op == 0xB672:  # CPSID
                masked = 1
            elif op == 0xB662:  # CPSIE
                masked = 0
                if state[DUE]:
                    why = _UNMASKED
            else:
                cycles = 0
        elif top == 23:
            kind = op >> 8 & 7
            if kind == 2:  # REV, REV16, REVSH
                x = np.int64(reg[op >> 3 & 7])
                kind = op >> 6 & 3
                if kind == 0:
                    y = x >> 24 | (x >> 8 & 0xFF00) | (x << 8 & 0xFF0000) | (x << 24 & 0xFF000000)
                    reg[at] = y
                elif kind == 1:
                    reg[at] = (x >> 8 & 0xFF00FF) | (x << 8 & 0xFF00FF00)
                elif kind == 3:
                    y = (x >> 8 & 0xFF) | (x << 8 & 0xFF00)
                    reg[at] = (y ^ 0x8000) - 0x8000 & _WORD
                else:
                    cycles = 0
            elif kind == 4 or kind == 5:  # POP
                base = np.int64(reg[_SP])
                top_of = base
                for k in range(9):
                    top_of += (op >> k & 1) << 2
                address = base - _RAM
                if address < 0 or top_of > _RAM + _RAM_BYTES or base & 3:
                    cycles = 0
                elif kind == 5 and np.int64(ram32[(top_of - 4 - _RAM) >> 2]) >> 28 == 0xF:
                    cycles = 0  # the return from an exception
                else:
                    for k in range(8):
                        if op >> k & 1:
                            reg[k] = ram32[address >> 2]
                            address += 4
                            cycles += 1
                    if kind == 5:
                        follows = np.int64(ram32[address >> 2]) & 0xFFFFFFFE
                        cycles += 2
                    reg[_SP] = top_of
            elif op == 0xBF40:  # SEV
                state[EVENT] = 1
            elif op != 0xBF00:  # NOP; else hints (sleep), BKPT
                cycles = 0
        elif top == 24 or top == 25:  # STM, LDM
            m = op >> 8 & 7
            base = np.int64(reg[m])
            top_of = base
            for k in range(8):
                top_of += (op >> k & 1) << 2
            address = base - _RAM
            if base & 3:
                cycles = 0
            elif 0 <= address and top_of <= _RAM + _RAM_BYTES:
                for k in range(8):
                    if op >> k & 1:
                        if top == 24:
                            ram32[address >> 2] = reg[k]
                        else:
                            reg[k] = ram32[address >> 2]
                        address += 4
                        cycles += 1
            elif top == 25 and base >> 24 == 0x10 and top_of >> 24 == 0x10:
                address = base & 0xFFFFFF
                for k in range(8):
                    if op >> k & 1:
                        reg[k] = flash32[address >> 2]
                        address += 4
                        cycles += 1
            else:
                cycles = 0
            if cycles and (top == 24 or not op >> m & 1):
                reg[m] = top_of
        elif top == 26 or top == 27:  # B (conditional)
            kind = op >> 9 & 7
            if kind == 0:
                holds = z
            elif kind == 1:
                holds = c
            elif kind == 2:
                holds = n
            elif kind == 3:
                holds = v
            elif kind == 4:
                holds = c & (z ^ 1)
            elif kind == 5:
                holds = n ^ v ^ 1
            elif kind == 6:
                holds = (n ^ v ^ 1) & (z ^ 1)
            else:  # UDF, SVC
                holds = 0
                cycles = 0
            if cycles and holds != op >> 8 & 1:
                follows = pc + 4 + ((op & 0xFF ^ 0x80) - 0x80) * 2 & _WORD
                cycles = 2
        elif top == 28:  # B
            follows = pc + 4 + ((op & 0x7FF ^ 0x400) - 0x400) * 2 & _WORD
            cycles = 2
        elif top == 30:  # 32 bits
            if pc >> 24 == 0x10:
                op2 = np.int64(flash16[(follows & 0xFFFFFF) >> 1])
            elif _RAM <= follows < _RAM + _RAM_BYTES:
                op2 = np.int64(ram16[(follows - _RAM) >> 1])
            elif follows < _ROM_BYTES:
                op2 = np.int64(rom16[follows >> 1])
            else:
                op2 = 0
            follows = pc + 4
            if op2 >> 12 & 13 == 13:  # BL
                s = op >> 10 & 1
                y = (op2 & 0x7FF) << 1 | (op & 0x3FF) << 12
                y |= (op2 >> 11 & 1 ^ s ^ 1) << 22 | (op2 >> 13 & 1 ^ s ^ 1) << 23
                reg[_LR] = follows | 1
                follows = follows + y - (s << 24) & _WORD
                cycles = 3
            elif op == 0xF3BF and 0x8F40 <= op2 <= 0x8F6F:  # DSB, DMB, ISB
                cycles = 3
            elif op == 0xF3EF and op2 & 0xF0FF == 0x8010 and op2 >> 8 & 15 < 13:  # MRS, PRIMASK
                reg[op2 >> 8 & 15] = masked
                cycles = 3
            elif op == 0xF3EF and op2 & 0xF0FF == 0x8005 and op2 >> 8 & 15 < 13:  # MRS, IPSR
                reg[op2 >> 8 & 15] = state[EXCEPTION]
                cycles = 3
            elif op >> 4 == 0xF38 and op2 == 0x8810:  # MSR, PRIMASK
                masked = np.int64(reg[op & 15]) & 1
                cycles = 3
                if state[DUE] and masked == 0:
                    why = _UNMASKED
            else:
                cycles = 0
        else:
            cycles = 0

        if access:
            offset = address - _RAM
            value = np.int64(0)
            if access == _LOAD or access == _STORE:
                odd = address & 3
            elif access == _LOAD8 or access == _LOAD_S8 or access == _STORE8:
                odd = np.int64(0)
            else:
                odd = address & 1
            cycles = 2
            if odd:
                cycles = 0
            elif 0 <= offset < _RAM_BYTES:
                if access == _LOAD:
                    value = np.int64(ram32[offset >> 2])
                elif access == _LOAD16 or access == _LOAD_S16:
                    value = np.int64(ram16[offset >> 1])
                elif access == _LOAD8 or access == _LOAD_S8:
                    value = np.int64(ram[offset])
                elif access == _STORE:
                    ram32[offset >> 2] = reg[at]
                elif access == _STORE16:
                    ram16[offset >> 1] = np.int64(reg[at]) & 0xFFFF
                else:
                    ram[offset] = np.int64(reg[at]) & 0xFF
            elif address >> 24 == 0x10 and access < _STORE:
                offset = address & 0xFFFFFF
                if access == _LOAD:
                    value = np.int64(flash32[offset >> 2])
                elif access == _LOAD16 or access == _LOAD_S16:
                    value = np.int64(flash16[offset >> 1])
                else:
                    value = np.int64(flash[offset])
            elif address < _ROM_BYTES and access < _STORE:
                if access == _LOAD:
                    value = np.int64(rom32[address >> 2])
                elif access == _LOAD16 or access == _LOAD_S16:
                    value = np.int64(rom16[address >> 1])
                else:
                    value = np.int64(rom[address])
            elif address == _SIO and access < _STORE:  # the core's number: 0
                cycles = 1
            elif address == _TIMERAWL and access == _LOAD:
                now_ns = state_f[NOW_NS] + used * float(CYCLE_NS)
                value = np.int64((now_ns - state_f[TIMER_ZERO_NS]) / 1000.0) & _WORD
                cycles = 4
            elif address == _TIMERAWH and access == _LOAD:
                now_ns = state_f[NOW_NS] + used * float(CYCLE_NS)
                value = np.int64((now_ns - state_f[TIMER_ZERO_NS]) / 1000.0) >> 32
                cycles = 4
            elif address >> 12 == _SIO >> 12 and (access == _LOAD or access == _STORE):
                offset = address & 0xFFF
                cycles = 1
                if 0x100 <= offset < 0x180:  # spin locks
                    bit = np.int64(1) << (offset - 0x100 >> 2)
                    if access == _STORE:
                        state[SPIN_LOCKS] &= ~bit
                    elif state[SPIN_LOCKS] & bit == 0:
                        state[SPIN_LOCKS] |= bit
                        value = bit
                elif 0x60 <= offset <= 0x6C:  # the divider's operands, unsigned, then signed
                    if access == _LOAD:
                        value = state[DIVISOR if offset & 4 else DIVIDEND]
                    else:
                        state[DIVISOR if offset & 4 else DIVIDEND] = np.int64(reg[at])
                        y, x = divide(state[DIVIDEND], state[DIVISOR], offset >= 0x68)
                        state[QUOTIENT] = y
                        state[REMAINDER] = x
                        state[DIV_CSR] = 3
                elif offset == 0x70 or offset == 0x74:
                    slot = QUOTIENT if offset == 0x70 else REMAINDER
                    if access == _LOAD:
                        value = state[slot]
                        if offset == 0x70:
                            state[DIV_CSR] &= ~2
                    else:
                        state[slot] = np.int64(reg[at])
                        state[DIV_CSR] = 3
                elif offset == 0x78 and access == _LOAD:
                    value = state[DIV_CSR]
                else:
                    cycles = 0
            else:
                cycles = 0
            if cycles and access < _STORE:
                if access == _LOAD_S8:
                    value = (value ^ 0x80) - 0x80 & _WORD
                elif access == _LOAD_S16:
                    value = (value ^ 0x8000) - 0x8000 & _WORD
                reg[at] = value

        if cycles == 0:
            why = _FOREIGN
            break
        used += cycles
        pc = follows & _WORD
        if why:
            break
    reg[_PC] = pc
    state[USED] = used
    state[MASKED] = masked
    state[FLAGS] = n << 31 | z << 30 | c << 29 | v << 28
    return why


class Stoppable(Protocol):
    """What ends a run."""

    stopped: bool


class Processor:
    """The core of rp2040py's `chip`, run in long stretches; `state` is SIO's too (chip.py).

    `compiled=False`: rp2040py steps each instruction.
    """

    def __init__(self, chip: Any, *, compiled: bool = True) -> None:
        self._chip = chip
        self._core = chip.core
        self._clock = chip.clock
        memory = bytearray(8 * STATE_SIZE)
        self.state = memoryview(memory).cast("q")
        self._state_f = memoryview(memory).cast("d")
        self._run: Callable[[], int] | None = None
        if compiled:
            memories = (self._core.registers, self.state, chip.sram, chip.flash, chip.bootrom)
            # Views of the chip's own memories, which live as long as they do.
            self._views = [np.frombuffer(memory, np.uint8) for memory in memories]
            addresses = [ctypes.c_void_p(view.ctypes.data) for view in self._views]
            self._run = functools.partial(_interpret.ctypes, *addresses)

    def run(self, until: Stoppable) -> None:
        """Run until `until.stopped`. An alarm must be scheduled, always."""
        core, clock, tick = self._core, self._clock, self._clock.tick
        while not until.stopped:
            if core.waiting:
                tick(clock.nanos_to_next_alarm)
                continue
            if self._run is not None and not core.interrupts_updated and self._stretch():
                continue
            tick(core.execute_instruction() * float(CYCLE_NS))

    def _stretch(self) -> bool:
        """As many of our own instructions as fit before the next alarm. False: a foreign one."""
        core, state = self._core, self.state
        # An instruction that begins before the alarm comes before it, as in rp2040py.
        state[BUDGET] = math.ceil(self._clock.nanos_to_next_alarm / CYCLE_NS)
        state[FLAGS] = core.apsr
        state[MASKED] = core.pm
        state[EXCEPTION] = core.ipsr
        state[EVENT] = 0
        self._state_f[NOW_NS] = self._clock.nanos
        self._state_f[TIMER_ZERO_NS] = self._chip.timer._epoch_nanos
        state[DUE] = bool(
            core.pending_interrupts & core.enabled_interrupts
            or core.pending_svcall or core.pending_pend_sv or core.pending_systick
            or core.pending_nmi
        )  # fmt: skip
        assert self._run is not None
        why = self._run()
        used = state[USED]
        if used:
            core.apsr = state[FLAGS]
            core.pm = state[MASKED]
            core.cycles += used
            if why == _UNMASKED:
                core.interrupts_updated = True
            if state[EVENT]:
                core.event_registered = True
            self._clock.tick(used * float(CYCLE_NS))
        return why != _FOREIGN
