"""Compares a CSV file of the report with what the sqlite3 CLI prints of the same view. One line a difference; exit code 1.

    compare.py REPORT.csv CLI.csv

Both are read by a parser that takes RFC 4180 and nothing else
(but for the ends of lines, which are single LFs where the CLI is asked with -csv); a field is a number or text by its column. Of the report's
texts one apostrophe is dropped, as its documentation says; what the CLI prints of bytes that are not UTF-8 is repaired."""
import sys

NUMBERS = set("""hour requests allowed slowed denied shadow_denied clients responses coarse_denied ban_denied undecided status_1xx status_2xx
    status_3xx status_4xx status_5xx status_other not_found bytes duration_avg_ms duration_p50_ms duration_p95_ms duration_p99_ms
    origin_avg_ms origin_p95_ms aborted origin_errors tunnels streams origin_4xx origin_404 origin_5xx
    refused_4xx refused_5xx rule matched error_bound status retry_after""".split())

RUN_BY_SPREADSHEETS = tuple("=+-@\t\r\n ＝＋－＠")


class Wrong(Exception):
    pass


def records(data, line_end):
    """Lists of fields: bytes, or None for a field that is empty without quotes."""
    at, record = 0, []
    while at < len(data):
        if data[at:at + 1] == b'"':
            field, at = b"", at + 1
            while True:
                end = data.find(b'"', at)
                if end < 0:
                    raise Wrong("a quote is not closed")
                field += data[at:end]
                at = end + 1
                if data[at:at + 1] != b'"':
                    break
                field += b'"'
                at += 1
        else:
            end = at
            while end < len(data) and data[end:end + 1] not in (b",", b"\r", b"\n"):
                if data[end:end + 1] == b'"':
                    raise Wrong("a quote in a field without quotes, at byte %d" % end)
                end += 1
            field, at = data[at:end] or None, end
        record.append(field)
        if data[at:at + 1] == b",":
            at += 1
            if at == len(data):
                raise Wrong("the last line does not end")
        elif data.startswith(line_end, at):
            at += len(line_end)
            yield record
            record = []
        else:
            raise Wrong("neither a comma nor the end of a line at byte %d" % at)
    if record:
        raise Wrong("the last line does not end")


def table(file, line_end=b"\r\n"):
    with open(file, "rb") as stream:
        rows = list(records(stream.read(), line_end))
    if not rows:
        raise Wrong("no line of names")
    for row in rows:
        if len(row) != len(rows[0]):
            raise Wrong("%d fields where there are %d names: %s" % (len(row), len(rows[0]), row))
    return [name.decode("ascii") for name in rows[0]], rows[1:]


def repaired(field):
    text = field.decode("utf-8", "surrogateescape")
    return "".join("\\x%02X" % (ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)


def report_value(column, field):
    if field is None or column in NUMBERS:
        return field if field is None else float(field)
    text = field.decode("utf-8")
    if text.startswith(RUN_BY_SPREADSHEETS):
        raise Wrong("not defused: %r" % text[:80])
    return text[1:] if text.startswith("'") else text


def cli_value(column, field):
    if field is None or column in NUMBERS:
        return field if field is None else float(field)
    return repaired(field)


def compare(report_file, cli_file):
    names, report = table(report_file)
    if b"\0" in open(report_file, "rb").read():
        yield "a NUL"
    with open(cli_file, "rb") as stream:
        if not stream.read():  # of no rows the CLI prints no names
            if report:
                yield "%d rows where the CLI has none" % len(report)
            return
    cli_names, cli = table(cli_file, b"\n")
    if names != cli_names:
        yield "columns %s, and those of the CLI %s" % (names, cli_names)
        return
    if len(report) != len(cli):
        yield "%d rows, and the CLI has %d" % (len(report), len(cli))
    for number, (ours, theirs) in enumerate(zip(report, cli), 1):
        for column, our, their in zip(names, ours, theirs):
            if report_value(column, our) != cli_value(column, their):
                yield "row %d, %s: %r, and the CLI has %r" % (number, column, our, their)
            elif column in NUMBERS and our != their:
                yield "row %d, %s: %r is not written as the CLI writes %r" % (number, column, our, their)


def main(report, cli):
    try:
        differences = list(compare(report, cli))
    except (Wrong, ValueError) as wrong:
        differences = [str(wrong)]
    for difference in differences:
        print("%s: %s" % (report, difference))
    return 1 if differences else 0


sys.exit(main(*sys.argv[1:]))
