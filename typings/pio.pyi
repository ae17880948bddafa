"""Names that exist only inside a function decorated with `rp2.asm_pio`, for pyright.

MicroPython's assembler runs the function with these as its globals. Ruff's F821 is off for
valve.py alone, so another file that used one of them would still be caught.
"""

class _Operand: ...
class _Condition: ...

class _Instruction:
    def delay(self, cycles: int, /) -> _Instruction: ...
    def side(self, value: int, /) -> _Instruction: ...
    def __getitem__(self, cycles: int, /) -> _Instruction: ...

pins: _Operand
pindirs: _Operand
pc: _Operand
x: _Operand
y: _Operand
null: _Operand
isr: _Operand
osr: _Operand
status: _Operand
gpio: int

not_x: _Condition
x_dec: _Condition
not_y: _Condition
y_dec: _Condition
x_not_y: _Condition
pin: _Condition
not_osre: _Condition

block: int
noblock: int
iffull: int
ifempty: int
clear: int

def wrap_target() -> None: ...
def wrap() -> None: ...
def label(name: str, /) -> None: ...
def jmp(target: str | _Condition, label: str | None = None, /) -> _Instruction: ...
def pull(*flags: int) -> _Instruction: ...
def push(*flags: int) -> _Instruction: ...
def mov(to: _Operand, source: _Operand, /) -> _Instruction: ...
def set(to: _Operand, value: int, /) -> _Instruction: ...
def word(value: int, label: str | None = None, /) -> _Instruction: ...
