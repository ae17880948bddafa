"""`log_block`: journal records in binary chunks, without base64 and JSON for each record.

Works on an App. May import binascii, struct and cryo's commands, journal, replies, transitions.
Loaded on demand by commands. Controls: H-08 (each chunk has its CRC-32, each record its chain
value), H-12 (a chunk is read only when the one before has been sent, and only at rest).

Layout of a chunk: docs/protocol.md. A chunk is read from flash into the link's transmit buffer, so
that a stream of any length allocates next to nothing.
"""

import struct
from binascii import crc32

from cryo import commands, journal, replies, transitions

MARK = 2  # first byte of a chunk; a line begins with another one
HEAD = 10  # bytes: mark, number of records, id of the request, first sequence number
RECORDS = 31  # records a chunk: 1998 bytes, below frame.MAX_LINE


def begin(app, request):
    """Answer `log_block`: what is going to follow. The link takes the chunks from a Stream."""
    start, most, refused = commands.log_request(app, request)
    if refused:
        return refused
    log = app.journal
    try:
        anchor = log.chain_before(start)
    except OSError:
        return replies.refusal("storage", "the device could not read its flash")
    end = min(start + most, log.head + 1)
    app.link.stream(Stream(app, request["id"], start, end))
    return replies.ok(
        first=log.first(), head=log.head, count=end - start, anchor=commands.base64(anchor)
    )


class Stream:
    """Fills the link's transmit buffer with the next chunk, until all have been sent."""

    def __init__(self, app, request_id, start, end):
        self._app = app
        self._id = request_id
        self._next = start
        self._end = end
        self._file = None
        self._file_end = 0  # the sequence number behind the open segment
        self._head = 0  # the journal's head when it was opened

    def fill(self, out):
        """Write the next chunk to `out`; return its length, or 0 at the stream's end.

        The stream ends early when the device is no longer at rest, or its flash fails: the host
        asks for the rest again.
        """
        state = self._app.machine.state
        if self._next < self._end and state in (transitions.READY, transitions.FAULT):
            try:
                length = self._chunk(memoryview(out))
                if length:
                    return length
            except OSError:
                pass
        self._close()
        return 0

    def _chunk(self, out):
        log = self._app.journal
        if self._next >= self._file_end or self._head != log.head:
            # H-08: a segment that has grown, or has been deleted, is not read by its old handle.
            self._close()
            if self._next < log.first():
                return 0
            first, self._file_end = log.segment_of(self._next)
            self._head = log.head
            self._file = open(journal.path_of(first), "rb")
            self._file.seek((self._next - first) * journal.RECORD)
        count = min(RECORDS, self._file_end - self._next, self._end - self._next)
        end = HEAD + count * journal.RECORD
        if self._file.readinto(out[HEAD:end]) != end - HEAD:
            return 0
        struct.pack_into("<BBII", out, 0, MARK, count, self._id, self._next)
        struct.pack_into("<I", out, end, crc32(out[:end]))
        self._next += count
        return end + 4

    def _close(self):
        if self._file:
            self._file.close()
            self._file = None
        self._file_end = 0
