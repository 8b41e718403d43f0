"""HTTP/2 as far as these clients need it: requests by hand, and the status of each answer."""
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
# Of the statuses in HPACK's static table; HAProxy writes any other as a literal of three digits.
INDEXED = {0x88: "200", 0x89: "204", 0x8A: "206", 0x8B: "304", 0x8C: "400", 0x8D: "404", 0x8E: "500"}


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


# A window for all answers, so that none waits for ours.
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, b"\x3f\xff\x00\x00")
SETTINGS_ACK = frame(SETTINGS, ACK, 0)


def get(stream, path, authority="e2e.example"):
    """A GET. :method and :scheme are of HPACK's static table; :path and :authority have at most 126 bytes."""
    fields = b"\x82\x86"
    for index, value in ((4, path), (1, authority)):
        fields += bytes([index, len(value)]) + value.encode()
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, fields)


def status(fields):
    """Of an answer's HEADERS, in which it comes first."""
    return INDEXED.get(fields[0]) or fields[2:5].decode("latin-1")


def frames(data):
    """The whole frames of `data` as (kind, flags, stream, payload), and the rest behind them."""
    found, at = [], 0
    while len(data) >= at + 9:
        end = at + 9 + int.from_bytes(data[at : at + 3], "big")
        if len(data) < end:
            break
        found.append((data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9], "big"), data[at + 9 : end]))
        at = end
    return found, data[at:]
