"""What a gateway has to stand: slow, many, greedy and malformed clients. See run.sh.

attack.py --plain PORT --tls PORT --key KEY --pid GATEWAY --ca FILE --most CONNECTIONS [--only NAME]

Each check says what it saw, and `ok` or `BAD`. Exit code 1 if any is bad.
"""

import argparse
import asyncio
import pathlib
import resource
import ssl
import sys
import time

MB = 1 << 20


class Target:
    """The gateway, and what it uses."""

    def __init__(self, arguments):
        self.plain, self.tls = arguments.plain, arguments.tls
        self.key, self.pid, self.most = arguments.key, arguments.pid, arguments.most
        self.context = ssl.create_default_context(cafile=arguments.ca)

    def resident(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def files(self):
        return len(list(pathlib.Path(f"/proc/{self.pid}/fd").iterdir()))

    async def connect(self, tls=False):
        port, context = (self.tls, self.context) if tls else (self.plain, None)
        return await asyncio.open_connection("127.0.0.1", port, ssl=context)

    async def login(self, tls=False):
        reader, writer = await self.connect(tls)
        answer = await ask(reader, writer, "AUTH", self.key)
        if answer != b"+OK\r\n":
            raise OSError(f"AUTH: {answer!r}")
        return reader, writer

    async def latency(self):
        """The longest of twenty pings of a client that came just now, in milliseconds."""
        reader, writer = await self.login()
        longest = 0.0
        for _ in range(20):
            began = time.monotonic()
            await ask(reader, writer, "PING")
            longest = max(longest, time.monotonic() - began)
        writer.close()
        return longest * 1000


def command(*words):
    parts = [word if isinstance(word, bytes) else word.encode() for word in words]
    head = b"*%d\r\n" % len(parts)
    return head + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


async def ask(reader, writer, *words):
    writer.write(command(*words))
    await writer.drain()
    return await asyncio.wait_for(reader.readline(), 20)


async def ends(reader, patience):
    """What still comes until the other side closes; None: it did not close."""
    got = b""
    try:
        async with asyncio.timeout(patience):
            while piece := await reader.read(MB):
                got += piece[: 4096 - len(got)] if len(got) < 4096 else b""
            return got
    except TimeoutError:
        return None
    except (ConnectionError, ssl.SSLError) as error:
        return got + repr(error).encode()


def megabytes(count):
    return f"{count / MB:.1f} MB"


async def slow_logins(target):
    """A byte a second, from many: the login has a time, not each byte."""
    lines = [await target.connect() for _ in range(500)]
    login = command("AUTH", target.key)
    began = time.monotonic()

    async def drip(reader, writer):
        closed = asyncio.create_task(ends(reader, 60))
        for at in range(len(login)):
            try:
                writer.write(login[at : at + 1])
                await writer.drain()
            except OSError:
                break
            done, _ = await asyncio.wait([closed], timeout=2)
            if done:
                break
        return await closed is not None

    tasks = [asyncio.create_task(drip(*line)) for line in lines]
    await asyncio.sleep(5)
    latency = await target.latency()
    over = await asyncio.gather(*tasks)
    took = time.monotonic() - began
    return (
        all(over) and took < 45 and latency < 500,
        f"{sum(over)} of 500 ended after {took:.0f} s; another client's longest ping {latency:.1f} ms",
    )


async def slow_handshakes(target):
    """Connections to the TLS port that say nothing."""
    lines = [await asyncio.open_connection("127.0.0.1", target.tls) for _ in range(300)]
    latency = await target.latency()
    began = time.monotonic()
    over = [await ends(reader, 60) is not None for reader, _ in lines]
    took = time.monotonic() - began
    return all(over) and took < 45, f"{sum(over)} of 300 ended after {took:.0f} s; ping {latency:.1f} ms"


async def many(target, login):
    """As many connections as may be."""
    before, files = target.resident(), target.files()
    lines = []
    refused = 0
    for _ in range(target.most):
        try:
            lines.append(await (target.login() if login else target.connect()))
        except OSError:
            refused += 1
    await asyncio.sleep(1)
    each = (target.resident() - before) / max(len(lines), 1)
    latency = await target.latency() if not refused else float("inf")
    for _, writer in lines:
        writer.close()
    await asyncio.sleep(2)
    left = target.files() - files
    return (
        not refused and each < 40_000 and latency < 1_000 and left < 10,
        f"{len(lines)} connections, {refused} refused, {each / 1000:.1f} KB each, longest ping "
        f"{latency:.1f} ms; {left} files more afterwards",
    )


async def many_strangers(target):
    return await many(target, login=False)


async def many_clients(target):
    return await many(target, login=True)


async def many_handshakes(target):
    """TLS connections that log in, one after the other."""
    before = target.resident()
    began = time.monotonic()
    count = min(1_000, target.most)
    lines = [await target.login(tls=True) for _ in range(count)]
    took = time.monotonic() - began
    each = (target.resident() - before) / count
    for _, writer in lines:
        writer.transport.abort()
    return each < 100_000, f"{count} in {took:.1f} s, {each / 1000:.1f} KB each"


# Before a login: what is sent, and how the answer has to begin.
STRANGERS = {
    "a key of 20 KB": (b"*2\r\n$4\r\nAUTH\r\n$20000\r\n" + b"x" * 20000, b"-ERR Protocol error"),
    "a key of 512 MB is announced": (b"*2\r\n$4\r\nAUTH\r\n$536870912\r\n", b"-ERR Protocol error"),
    "11 arguments": (b"*11\r\n" + b"$1\r\nx\r\n" * 11, b"-ERR Protocol error"),
    "a million arguments are announced": (b"*1048576\r\n", b"-ERR Protocol error"),
    "a line of 70 KB": (b"x" * 70_000, b"-ERR Protocol error"),
    "a negative length": (b"*2\r\n$4\r\nAUTH\r\n$-7\r\n", b"-ERR Protocol error"),
    "a length with a sign": (b"*+1\r\n$4\r\nPING\r\n", b"-ERR Protocol error"),
    "a length with a zero before": (b"*01\r\n$4\r\nPING\r\n", b"-ERR Protocol error"),
    "a bulk with a wrong end": (b"*1\r\n$4\r\nPINGXX*1\r\n$4\r\nPING\r\n", b"-ERR Protocol error"),
    "HTTP": (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
    "TLS on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n", None),
    "PROXY": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", b"-NOAUTH"),
}


async def strangers(target):
    """What somebody may send who has not logged in."""
    wrong = []
    before = target.resident()
    for name, (sent, expected) in STRANGERS.items():
        reader, writer = await target.connect()
        writer.write(sent)
        try:
            answer = await asyncio.wait_for(reader.read(4096), 5)
        except TimeoutError:
            answer = None
        except ConnectionError:
            answer = b""
        if expected is not None and (answer is None or not answer.startswith(expected)):
            wrong.append(f"{name}: {answer!r}")
        if expected == b"" and answer:
            wrong.append(f"{name}: {answer!r}")
        if expected and expected.startswith(b"-ERR") and await ends(reader, 5) is None:
            wrong.append(f"{name}: not closed")
        writer.close()
    grown = target.resident() - before
    return not wrong and grown < 8 * MB, f"{len(STRANGERS)} tried, {megabytes(grown)}; {'; '.join(wrong)}"


async def guesses(target):
    """Wrong keys, ten thousand in one pipeline, and nobody reads what is answered."""
    before = target.resident()
    lines = []
    for _ in range(20):
        reader, writer = await target.connect()
        writer.transport.pause_reading()
        writer.write(command("AUTH", "x" * 1_000) * 10_000)
        lines.append((reader, writer))
    await asyncio.sleep(10)
    grown = target.resident() - before
    for _, writer in lines:
        writer.transport.abort()
    return grown < 20 * MB, f"20 clients with 10 MB each: {megabytes(grown)} more"


async def announced(target):
    """Clients that announce much and send nothing."""
    before = target.resident()
    lines = []
    for _ in range(200):
        reader, writer = await target.login()
        writer.write(b"*1048576\r\n$536870912\r\n")
        await writer.drain()
        lines.append(writer)
    await asyncio.sleep(2)
    grown = target.resident() - before
    for writer in lines:
        writer.transport.abort()
    return grown < 20 * MB, f"200 clients: {megabytes(grown)} more"


async def never_reads(target):
    """A client that asks for much and reads nothing."""
    reader, writer = await target.login()
    await ask(reader, writer, "SET", "attack:large", b"x" * (4 * MB))
    before = target.resident()
    lines = []
    for _ in range(10):
        line = await target.login()
        line[1].transport.pause_reading()
        line[1].write(command("GET", "attack:large") * 50)
        lines.append(line[1])
    await asyncio.sleep(5)
    grown = target.resident() - before
    latency = await target.latency()
    for line in lines:
        line.transport.abort()
    await asyncio.sleep(0.5)
    reader, writer = await target.login()
    await ask(reader, writer, "DEL", "attack:large")
    return (
        grown < 20 * MB and latency < 500,
        f"10 clients with 200 MB due to each: {megabytes(grown)} more; ping {latency:.1f} ms",
    )


async def large_values(target):
    """A value of 256 MB passes without being kept."""
    reader, writer = await target.login()
    before = peak = target.resident()
    size = 256 * MB

    async def watch():
        nonlocal peak
        while True:
            peak = max(peak, target.resident())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    writer.write(b"*3\r\n$3\r\nSET\r\n$12\r\nattack:large\r\n$%d\r\n" % size)
    for _ in range(256):
        writer.write(b"y" * MB)
        await writer.drain()
    writer.write(b"\r\n")
    answer = await asyncio.wait_for(reader.readline(), 60)
    writer.write(command("GET", "attack:large"))
    head = await asyncio.wait_for(reader.readline(), 60)
    left = size + 2
    while left:
        left -= len(await reader.read(min(left, MB)))
    watching.cancel()
    await ask(reader, writer, "DEL", "attack:large")
    writer.close()
    passed = answer == b"+OK\r\n" and head == b"$%d\r\n" % size
    return passed and peak - before < 16 * MB, f"{answer!r}, {head!r}; {megabytes(peak - before)} more at most"


async def pieces(target):
    """Commands a byte at a time, refused ones among them: answers stay with their questions."""
    reader, writer = await target.login()
    sent = b"".join(
        command("ECHO", f"one {n}") + command("CONFIG", "GET", "*") + command("EcHo", f"two {n}")
        for n in range(50)
    )

    async def drip():
        for at in range(len(sent)):
            writer.write(sent[at : at + 1])
            await writer.drain()

    dripping = asyncio.create_task(drip())
    for n in range(50):
        for word in (f"one {n}", None, f"two {n}"):
            line = await asyncio.wait_for(reader.readline(), 10)
            if word is None:
                right = line.startswith(b"-ERR unknown command 'CONFIG'")
            else:
                right = line == b"$%d\r\n" % len(word)
                right = right and await reader.readline() == word.encode() + b"\r\n"
            if not right:
                return False, f"{line!r} for {word} {n}"
    await dripping
    writer.close()
    return True, "150 answers in their order"


async def throttled(target):
    """Guesses of one address get slower, however many connections it makes for them."""
    end = time.monotonic() + 15
    looked_at = refused = 0

    async def guess():
        nonlocal looked_at, refused
        line = None
        while time.monotonic() < end:
            try:
                line = line or await target.connect()
                answer = await ask(*line, "AUTH", "a guess")
            except (OSError, TimeoutError):
                answer = b""
            if answer.startswith(b"-WRONGPASS"):
                looked_at += 1
                continue
            refused += 1
            line[1].close()
            line = None

    await asyncio.gather(*(guess() for _ in range(20)))
    latency = "a client with the key from there is let in"
    try:
        await target.login()
    except OSError as error:
        latency = f"a client with the key from there: {error}"
    return (
        looked_at < 150,
        f"{looked_at} guesses of 20 connections looked at in 15 s, {refused} refused; {latency}",
    )


# The first two count memory, of which the gateway may have some left from others.
CHECKS = [
    many_clients,
    many_handshakes,
    strangers,
    pieces,
    announced,
    never_reads,
    large_values,
    many_strangers,
    slow_handshakes,
    slow_logins,
    guesses,
    throttled,
]


async def run(arguments):
    target = Target(arguments)
    bad = False
    for check in CHECKS:
        if arguments.only and check.__name__ not in arguments.only:
            continue
        try:
            good, found = await check(target)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            good, found = False, repr(error)
        bad |= not good
        print(f"{'ok ' if good else 'BAD'} {check.__name__}: {found}", flush=True)
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", required=True, type=int)
    parser.add_argument("--tls", required=True, type=int)
    parser.add_argument("--key", required=True)
    parser.add_argument("--pid", required=True, type=int)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--most", required=True, type=int)
    parser.add_argument("--only", action="append")
    arguments = parser.parse_args()
    # Our own side of each connection.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return asyncio.run(run(arguments))


sys.exit(main())
