"""The names that MicroPython 1.23.0's RPI_PICO build has, as its own `dir()` lists them.

May import nothing. Taken from the official image by running `dir()` on the emulated board; a test
there compares again. What is here and not in the fakes raises `NotModelled`; what is not here must
not be in the fakes.
"""

MODULES: dict[str, frozenset[str]] = {
    "_rp2": frozenset(
        """
        DMA Flash PIO StateMachine bootsel_button
        """.split()
    ),
    "_thread": frozenset(
        """
        LockType allocate_lock exit get_ident stack_size start_new_thread
        """.split()
    ),
    "array": frozenset(
        """
        array
        """.split()
    ),
    "asyncio": frozenset(
        """
        CancelledError Event IOQueue Lock Loop SingletonGenerator StreamReader StreamWriter Task
        TaskQueue ThreadSafeFlag TimeoutError core create_task cur_task current_task event
        gather get_event_loop new_event_loop open_connection run run_until_complete select sleep
        sleep_ms start_server stream sys ticks ticks_add ticks_diff wait_for wait_for_ms
        """.split()
    ),
    "binascii": frozenset(
        """
        a2b_base64 b2a_base64 crc32 hexlify unhexlify
        """.split()
    ),
    "builtins": frozenset(
        """
        ArithmeticError AssertionError AttributeError BaseException EOFError Ellipsis Exception
        GeneratorExit ImportError IndentationError IndexError KeyError KeyboardInterrupt
        LookupError MemoryError NameError NotImplemented NotImplementedError OSError
        OverflowError RuntimeError StopAsyncIteration StopIteration SyntaxError SystemExit
        TypeError UnicodeError ValueError ViperTypeError ZeroDivisionError __build_class__
        __import__ __repl_print__ abs all any bin bool bytearray bytes callable chr classmethod
        compile complex delattr dict dir divmod enumerate eval exec execfile filter float
        frozenset getattr globals hasattr hash help hex id input int isinstance issubclass iter
        len list locals map max memoryview min next object oct open ord pow print property range
        repr reversed round set setattr slice sorted staticmethod str sum super tuple type zip
        """.split()
    ),
    "cmath": frozenset(
        """
        cos e exp log log10 phase pi polar rect sin sqrt
        """.split()
    ),
    "collections": frozenset(
        """
        OrderedDict deque namedtuple
        """.split()
    ),
    "cryptolib": frozenset(
        """
        aes
        """.split()
    ),
    "deflate": frozenset(
        """
        AUTO DeflateIO GZIP RAW ZLIB
        """.split()
    ),
    "errno": frozenset(
        """
        EACCES EADDRINUSE EAGAIN EALREADY EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST
        EHOSTUNREACH EINPROGRESS EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT ENOMEM ENOTCONN
        EOPNOTSUPP EPERM ETIMEDOUT errorcode
        """.split()
    ),
    "framebuf": frozenset(
        """
        FrameBuffer FrameBuffer1 GS2_HMSB GS4_HMSB GS8 MONO_HLSB MONO_HMSB MONO_VLSB MVLSB
        RGB565
        """.split()
    ),
    "gc": frozenset(
        """
        collect disable enable isenabled mem_alloc mem_free threshold
        """.split()
    ),
    "hashlib": frozenset(
        """
        sha1 sha256
        """.split()
    ),
    "heapq": frozenset(
        """
        heapify heappop heappush
        """.split()
    ),
    "io": frozenset(
        """
        BytesIO IOBase StringIO open
        """.split()
    ),
    "json": frozenset(
        """
        dump dumps load loads
        """.split()
    ),
    "machine": frozenset(
        """
        ADC I2C I2S PWM PWRON_RESET Pin RTC SPI Signal SoftI2C SoftSPI Timer UART USBDevice WDT
        WDT_RESET bitstream bootloader deepsleep dht_readinto disable_irq enable_irq freq idle
        lightsleep mem16 mem32 mem8 reset reset_cause soft_reset time_pulse_us unique_id
        """.split()
    ),
    "math": frozenset(
        """
        acos acosh asin asinh atan atan2 atanh ceil copysign cos cosh degrees e erf erfc exp
        expm1 fabs factorial floor fmod frexp gamma inf isclose isfinite isinf isnan ldexp
        lgamma log log10 log2 modf nan pi pow radians sin sinh sqrt tan tanh tau trunc
        """.split()
    ),
    "micropython": frozenset(
        """
        alloc_emergency_exception_buf const heap_lock heap_unlock kbd_intr mem_info opt_level
        qstr_info schedule stack_use
        """.split()
    ),
    "os": frozenset(
        """
        VfsFat VfsLfs2 chdir dupterm dupterm_notify getcwd ilistdir listdir mkdir mount remove
        rename rmdir stat statvfs sync umount uname unlink urandom
        """.split()
    ),
    "platform": frozenset(
        """
        libc_ver platform python_compiler
        """.split()
    ),
    "random": frozenset(
        """
        __init__ choice getrandbits randint random randrange seed uniform
        """.split()
    ),
    "re": frozenset(
        """
        compile match search sub
        """.split()
    ),
    "rp2": frozenset(
        """
        DMA Flash PIO PIOASMEmit PIOASMError StateMachine __file__ _pio_funcs asm_pio
        asm_pio_encode bootsel_button const
        """.split()
    ),
    "select": frozenset(
        """
        POLLERR POLLHUP POLLIN POLLOUT poll select
        """.split()
    ),
    "struct": frozenset(
        """
        calcsize pack pack_into unpack unpack_from
        """.split()
    ),
    "sys": frozenset(
        """
        argv byteorder exit implementation maxsize modules path platform print_exception ps1 ps2
        stderr stdin stdout version version_info
        """.split()
    ),
    "time": frozenset(
        """
        gmtime localtime mktime sleep sleep_ms sleep_us ticks_add ticks_cpu ticks_diff ticks_ms
        ticks_us time time_ns
        """.split()
    ),
    "uctypes": frozenset(
        """
        ARRAY BFINT16 BFINT32 BFINT8 BFUINT16 BFUINT32 BFUINT8 BF_LEN BF_POS BIG_ENDIAN FLOAT32
        FLOAT64 INT INT16 INT32 INT64 INT8 LITTLE_ENDIAN LONG LONGLONG NATIVE PTR SHORT UINT
        UINT16 UINT32 UINT64 UINT8 ULONG ULONGLONG USHORT VOID addressof bytearray_at bytes_at
        sizeof struct
        """.split()
    ),
    "vfs": frozenset(
        """
        VfsFat VfsLfs2 mount umount
        """.split()
    ),
}

# Classes of the modules that drive hardware.
CLASSES: dict[str, frozenset[str]] = {
    "framebuf.FrameBuffer": frozenset(
        """
        blit ellipse fill fill_rect hline line pixel poly rect scroll text vline
        """.split()
    ),
    "machine.ADC": frozenset(
        """
        CORE_TEMP read_u16
        """.split()
    ),
    "machine.I2C": frozenset(
        """
        init readfrom readfrom_into readfrom_mem readfrom_mem_into readinto scan start stop
        write writeto writeto_mem writevto
        """.split()
    ),
    "machine.PWM": frozenset(
        """
        deinit duty_ns duty_u16 freq init
        """.split()
    ),
    "machine.Pin": frozenset(
        """
        ALT ALT_GPCK ALT_I2C ALT_PIO0 ALT_PIO1 ALT_PWM ALT_SIO ALT_SPI ALT_UART ALT_USB IN
        IRQ_FALLING IRQ_RISING OPEN_DRAIN OUT PULL_DOWN PULL_UP board cpu high init irq low off
        on toggle value
        """.split()
    ),
    "machine.RTC": frozenset(
        """
        datetime
        """.split()
    ),
    "machine.SPI": frozenset(
        """
        LSB MSB deinit init read readinto write write_readinto
        """.split()
    ),
    "machine.Signal": frozenset(
        """
        off on value
        """.split()
    ),
    "machine.SoftI2C": frozenset(
        """
        init readfrom readfrom_into readfrom_mem readfrom_mem_into readinto scan start stop
        write writeto writeto_mem writevto
        """.split()
    ),
    "machine.SoftSPI": frozenset(
        """
        LSB MSB deinit init read readinto write write_readinto
        """.split()
    ),
    "machine.Timer": frozenset(
        """
        ONE_SHOT PERIODIC __del__ deinit init
        """.split()
    ),
    "machine.UART": frozenset(
        """
        CTS INV_RX INV_TX RTS any deinit flush init read readinto readline sendbreak txdone
        write
        """.split()
    ),
    "machine.USBDevice": frozenset(
        """
        BUILTIN_CDC BUILTIN_DEFAULT BUILTIN_NONE active config stall submit_xfer
        """.split()
    ),
    "machine.WDT": frozenset(
        """
        feed
        """.split()
    ),
    "rp2.Flash": frozenset(
        """
        ioctl readblocks writeblocks
        """.split()
    ),
    "rp2.PIO": frozenset(
        """
        IN_HIGH IN_LOW IRQ_SM0 IRQ_SM1 IRQ_SM2 IRQ_SM3 JOIN_NONE JOIN_RX JOIN_TX OUT_HIGH
        OUT_LOW SHIFT_LEFT SHIFT_RIGHT add_program irq remove_program state_machine
        """.split()
    ),
    "rp2.PIOASMEmit": frozenset(
        """
        __getitem__ __init__ __module__ __qualname__ delay in_ irq jmp label mov nop out pull
        push set side start_pass wait word wrap wrap_target
        """.split()
    ),
    "rp2.StateMachine": frozenset(
        """
        active exec get init irq put restart rx_fifo tx_fifo
        """.split()
    ),
}

# Methods of any built-in type.
METHODS: frozenset[str] = frozenset(
    """
    add append buffer center clear close copy count decode difference difference_update
    digest discard encode endswith extend find flush format from_bytes fromhex fromkeys get
    getvalue hex index insert intersection intersection_update ipoll isalpha isdigit
    isdisjoint islower isspace issubset issuperset isupper items join keys lower lstrip
    modify partition poll pop popitem read readinto readline readlines register remove
    replace reverse rfind rindex rpartition rsplit rstrip seek setdefault sort split
    splitlines startswith strip symmetric_difference symmetric_difference_update tell
    to_bytes union unregister update upper values write
    """.split()
)
