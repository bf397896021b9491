"""Requests that no document describes: broken, enormous, and in odd bytes.

Sent as bytes over sockets, since clients are too well-behaved. Each must be answered, in time, and not
with a 5xx; whatever is refused is refused in the API's own shape.
"""

import collections
import json
import socket
import ssl
import time
import urllib.parse

LIMIT = 15


def send(deployment, request, ends=False, wait=LIMIT):
    """Sends bytes and gives the status and the body of the answer; 0 when the connection just ends.

    With `ends` nothing more is to come, and the other side is told so.
    """
    url = urllib.parse.urlsplit(deployment.url)
    connection = socket.create_connection((url.hostname, url.port), timeout=wait)
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=deployment.session.verify)
        connection = context.wrap_socket(connection, server_hostname=url.hostname)
    answer = b""
    with connection:
        try:
            connection.sendall(request)
            if ends and url.scheme == "http":
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            # It has answered already and reads no further.
            pass
        try:
            while True:
                part = connection.recv(65536)
                if not part:
                    break
                answer += part
        except ConnectionResetError:
            pass
    if not answer:
        return 0, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def request(deployment, method, path, body=b"", headers=()):
    if isinstance(path, str):
        path = path.encode()
    lines = [method.encode() + b" " + path + b" HTTP/1.1", b"host: fuzz", b"connection: close",
             b"authorization: Bearer " + deployment.token.encode(),
             b"content-length: " + str(len(body)).encode()]
    lines += [header.encode("latin-1") for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def bodies():
    """Bodies of a PUT that are none."""
    yield b"{"
    yield b"null"
    yield b"[]"
    yield b'"text"'
    yield b"\xff\xfe{\x00}\x00"
    yield b'{"location": "\xc3\x28"}'
    yield b'{"location": "\\ud800"}'
    yield b'{"location": "east\\u0000us", "properties": {"sku": null}}'
    yield b'{"location": 1e999}'
    yield b'{"properties": {"sku": {"name": "Premium", "family": "P", "capacity": 9223372036854775808}}}'
    yield b'{"properties": {"sku": {"name": "Premium", "family": "P", "capacity": -0.0}}}'
    yield b'{"a": 1, "a": 2, "A": 3}'
    yield b"[" * 100_000
    yield b'{"properties":' * 100_000
    yield b'{"properties":' * 120 + b"{}" + b"}" * 120
    yield b'{"tags": {' + b",".join(b'"t%d": "v"' % n for n in range(20_000)) + b"}}"
    yield b'{"location": "' + b"x" * 900_000 + b'"}'
    yield b"x" * 5_000_000
    yield b'{"properties": {"redisConfiguration": {"maxmemory-policy": {"a": [1, 2]}}}}'
    yield '{"location": "\u202eeastus", "tags": {"\U0001f9a9": "\u0000"}}'.encode()


def paths(deployment):
    """Paths that lead nowhere, or somewhere by a crooked way."""
    cache = deployment.cache("fuzz-east")
    version = "?api-version=2024-11-01"
    for name in ["%00", "%2e%2e", "..", ".", "%2F", "a%2Fb", "%", "%zz", "%c3%28", "%ff%fe", "%F0%9F%A6%A9",
                 "a" * 63, "a" * 64, "a" * 8_000, "a;b", "a%20b", "a?b", "-", "a--b", "A%00B", "'", '"', "{name}",
                 "%25252e", "\u00e9".encode().decode("latin-1"), "%E2%80%AE", "+", "*", "$(id)", "fuzz-east%20"]:
        yield deployment.group("fuzz") + "/providers/Microsoft.Cache/redis/" + name + version
        yield deployment.group(name) + version
        yield cache + "/linkedServers/" + name + version
        yield cache + "/firewallRules/" + name + version
        yield "/subscriptions/" + name + "/resources" + version
    for query in ["$top=0", "$top=-1", "$top=99999999999999999999", "$top=%00", "$skipToken=%ff", "$skipToken=" + "x" * 4_000,
                  "$skipToken=%2F%2F..", "api-version=2024-11-01&api-version=x", "api-version", "api-version=%00",
                  "api-version=2024-13-45", "api-version=9999-99-99-preview", "&&&&", "=", "=&=", "%", "%zz=1",
                  "a" * 10_000, "&".join("p%d=1" % n for n in range(2_000)), "unknown=1&$filter=%27", "\u00fc=\u00fc"]:
        listed = "/subscriptions/" + deployment.subscription + "/providers/Microsoft.Cache/redis"
        yield listed + "?" + query
        yield listed + "?api-version=2024-11-01&" + query
    metrics = cache + "/providers/Microsoft.Insights/metrics?api-version=2018-01-01&"
    for query in ["timespan=/", "timespan=%252525", "timespan=-9999-01-01T00:00:00Z/9999-12-31T23:59:59Z",
                  "timespan=0001-01-01T00:00:00Z/0001-01-02T00:00:00Z", "timespan=9999-01-01T00:00:00Z/9999-12-30T00:00:00Z",
                  "timespan=P999999999D", "interval=FULL&timespan=1970-01-01T00:00:00Z/1970-01-01T00:01:00Z",
                  "interval=PT0M", "top=-1", "metricnames=,,,", "metricnames=" + "x," * 5_000, "aggregation=,",
                  "$filter=ShardId%20eq%20'99999999999999999999'", "$filter=" + "(" * 5_000,
                  "$filter=ShardId eq '*' or".replace(" ", "%20")]:
        yield metrics + query
    for query in ["top=0", "top=1001", "since=-1", "since=99999999999999999999", "since=%00", "since=9999-12-31T23:59:59Z"]:
        yield cache + "/linkedServers/fuzz-west/events?api-version=2024-11-01&" + query
    for query in ["", "shard=99999", "position=a:b", "shard=-1&position=" + "a" * 40 + ":1"]:
        yield cache + "/writtenSince?api-version=2024-11-01&" + query
    for path in ["/", "//", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/subscriptions//" * 500, "/" + "a/" * 5_000,
                 "/metrics/", "/openapi.json/x", "/SUBSCRIPTIONS", "*", "http://elsewhere/subscriptions", "/agents/v1/report"]:
        yield path


def raw(deployment):
    """What is hardly HTTP."""
    token = deployment.token
    yield b"\x00" * 100
    yield b"GET\r\n\r\n"
    yield b"GET / HTTP/9.9\r\n\r\n"
    yield b"GET /subscriptions HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n"
    yield request(deployment, "GET", "/subscriptions?api-version=2024-11-01", headers=["x: " + "y" * 20_000])
    yield request(deployment, "GET", "/subscriptions?api-version=2024-11-01", headers=["x%d: y" % n for n in range(300)])
    yield request(deployment, "BREW", "/subscriptions?api-version=2024-11-01")
    yield request(deployment, "GET", "/subscriptions?api-version=2024-11-01",
                  headers=["x-ms-client-request-id: \xff\xfe", "x-ms-correlation-request-id: " + "z" * 7_000,
                           "x-forwarded-proto: gopher", "accept: text/\xff"])
    yield request(deployment, "PUT", deployment.group("fuzz") + "?api-version=2024-11-01", b'{"location": "eastus"}',
                  ["content-type: text/plain; charset=\xff", "content-encoding: gzip"])
    yield (b"PUT " + deployment.group("fuzz").encode() + b"?api-version=2024-11-01 HTTP/1.1\r\nhost: f\r\nconnection: close\r\n"
           b"authorization: Bearer " + token.encode() + b"\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n")
    for secret in ["", "Bearer", "Bearer ", "Basic Og==", "Bearer " + "x" * 6_000, "bearer\t" + token, "Bearer \xff"]:
        yield (b"GET /subscriptions?api-version=2024-11-01 HTTP/1.1\r\nhost: f\r\nconnection: close\r\nauthorization: "
               + secret.encode("latin-1") + b"\r\n\r\n")


def check(what, status, body, took, ours=True):
    shown = what[:200]
    assert took < LIMIT, (shown, "took", took)
    assert not 500 <= status < 600, (shown, status, body[:500])
    if ours and status >= 400 and body:
        # What hyper refuses before anybody sees it has no body.
        error = json.loads(body)["error"]
        assert error["code"] and error["message"].endswith("."), (shown, error)


def run(deployment):
    """Sends all of it; gives how many answers there were of each status."""
    statuses = collections.Counter()

    def one(what, ours=True):
        begun = time.monotonic()
        try:
            status, body = send(deployment, what, ends=not ours)
        except TimeoutError as error:
            raise AssertionError("no answer: %r" % what[:200]) from error
        check(what, status, body, time.monotonic() - begun, ours)
        statuses[status] += 1
        return status

    version = "?api-version=2024-11-01"
    takes = ["", "/firewallRules/r", "/accessPolicies/p", "/accessPolicyAssignments/a", "/linkedServers/fuzz-west"]
    for body in bodies():
        for path in takes:
            status = one(request(deployment, "PUT", deployment.cache("fuzz-east") + path + version, body))
            assert status >= 400 or status == 0 or path == "", (path, status, body[:80])
        one(request(deployment, "PATCH", deployment.cache("fuzz-east") + "/linkedServers/fuzz-west/replicationSettings"
                    + version, body))
        one(request(deployment, "POST", deployment.cache("fuzz-east") + "/regenerateKey" + version, body))
    for path in paths(deployment):
        for method in ["GET", "DELETE"] if "linkedServers/" in path else ["GET"]:
            one(request(deployment, method, path.encode("latin-1")))
    for what in raw(deployment):
        one(what, ours=False)
    return statuses
