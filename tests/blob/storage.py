"""Exports to and imports from object storage, with the command line and the emulators.

Usage: storage.py GODWIT ENGINE AZURITE MOTO. Whatever is started here is stopped here.
"""

import base64
import datetime
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

# The emulator's well-known account, which opens nothing but emulators.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2018-11-09"
PATIENCE = 60
KEYS = 2000


def until(what, ask):
    """Asks until it gives something true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("gave up: " + what)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def moment(hours):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def signed(text):
    key = base64.b64decode(KEY)
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()


def service_sas(container, permissions, start=-1, end=5):
    """A signature for a container, as the storage's own tools make it."""
    st, se = moment(start), moment(end)
    resource = f"/blob/{ACCOUNT}/{container}"
    text = "\n".join([permissions, st, se, resource, "", "", "", VERSION, "c", *[""] * 6])
    return urllib.parse.urlencode({
        "sp": permissions, "st": st, "se": se, "sv": VERSION, "sr": "c", "sig": signed(text),
    })


def account_sas():
    """A signature for everything, to make the container with."""
    end = moment(5)
    text = "\n".join([ACCOUNT, "rwdlac", "b", "sco", "", end, "", "", VERSION, ""])
    return urllib.parse.urlencode({
        "sv": VERSION, "ss": "b", "srt": "sco", "sp": "rwdlac", "se": end, "sig": signed(text),
    })


def request(method, url, body=None, headers=None):
    asked = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return answer.read()


class World:
    """A deployment, and what its command line says."""

    def __init__(self, godwit, engine, directory, environment):
        self.godwit = godwit
        self.data = os.path.join(directory, "data")
        self.log = open(os.path.join(directory, "up.log"), "wb")
        words = [godwit, "up", "--data", self.data, "--engine", engine, "--no-dns",
                 "--listen", "127.0.0.1:0", "--addresses", "ports"]
        self.up = subprocess.Popen(words, stdout=self.log, stderr=self.log,
                                   env={**os.environ, **environment})
        until("godwit is up", lambda: os.path.exists(os.path.join(self.data, "endpoint")))

    def run(self, *words, given=None, fails=False):
        done = subprocess.run([self.godwit, *words, "--data", self.data, "--output", "json"],
                              input=given, capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode != 0) == fails, (words[:3], done.returncode, done.stdout, done.stderr)
        # What opens a place is in nothing that is said.
        assert "sig=" not in done.stdout + done.stderr, done.stderr
        return done.stdout if not fails else done.stderr

    def engine(self, name):
        """A command line for the cache, by its door without TLS."""
        status = json.loads(self.run("cache", "show", name))
        key = json.loads(self.run("cache", "keys", name))["primaryKey"]
        port = status["properties"]["port"]
        return ["redis-cli", "--no-auth-warning", "-h", "127.0.0.1", "-p", str(port), "-a", key]

    def ask(self, name, *words, given=None):
        done = subprocess.run([*self.engine(name), *words], input=given, capture_output=True,
                              text=True, timeout=PATIENCE, check=True)
        return done.stdout.strip()

    def stop(self):
        self.up.send_signal(signal.SIGTERM)
        self.up.wait(timeout=PATIENCE)
        self.log.close()

    def kept(self):
        """Every byte that is kept: files of the store, of agents, of logs."""
        for root, _, files in os.walk(self.data):
            for file in files:
                path = os.path.join(root, file)
                if not file.endswith((".sock", ".rdb")):
                    with open(path, "rb") as kept:
                        yield path, kept.read()


def round_trip(world, export_to, import_from):
    """What goes out comes back."""
    world.run("cache", "export", "one", "--to", "-", "--prefix", "backup", given=export_to)
    world.run("cache", "flush", "one", "--yes")
    assert world.ask("one", "DBSIZE") == "0"
    world.run("cache", "import", "one", "-", "--yes", given=import_from)
    assert world.ask("one", "DBSIZE") == str(KEYS)
    assert world.ask("one", "GET", "key:7") == ("value " * 40).strip()


def blobs(world, port):
    base = f"http://127.0.0.1:{port}/{ACCOUNT}"
    request("PUT", f"{base}/box?restype=container&{account_sas()}", b"", {"x-ms-version": VERSION})
    good = service_sas("box", "racwdl")
    round_trip(world, f"{base}/box?{good}", f"{base}/box/backup.rdb?{good}")
    round_trip(world, f"{base}/box/folder?{good}", f"{base}/box/folder/backup.rdb?{good}")

    # A page blob is padded with zeros.
    url = f"{base}/box/pages.rdb?{good}"
    content = request("GET", f"{base}/box/backup.rdb?{good}")
    pages = content + b"\0" * (-len(content) % 512)
    request("PUT", url, b"", {"x-ms-blob-type": "PageBlob", "x-ms-version": VERSION,
                              "x-ms-blob-content-length": str(len(pages))})
    for at in range(0, len(pages), 4 << 20):
        part = pages[at:at + (4 << 20)]
        request("PUT", url + "&comp=page", part, {
            "x-ms-version": VERSION, "x-ms-page-write": "update",
            "x-ms-range": f"bytes={at}-{at + len(part) - 1}",
        })
    world.run("cache", "flush", "one", "--yes")
    world.run("cache", "import", "one", "-", "--yes", given=url)
    assert world.ask("one", "DBSIZE") == str(KEYS)

    voice = "One of the SAS URIs provided could not be used for the following reason:"
    forged = re.sub("sig=[^&]*", "sig=" + urllib.parse.quote(signed("forged")), good)
    for what, query in [
        ("expired", service_sas("box", "racwdl", end=-0.5)),
        ("soon over", service_sas("box", "racwdl", end=0.5)),
        ("not for writing", service_sas("box", "l")),
        ("forged", forged),
    ]:
        said = world.run("cache", "export", "one", "--to", "-", "--prefix", "no",
                         given=f"{base}/box?{query}", fails=True)
        assert voice in said, (what, said)
    said = world.run("cache", "import", "one", "-", "--yes",
                     given=f"{base}/box/absent.rdb?{good}", fails=True)
    assert voice in said and "the cache has the data of before" in said, said
    assert world.ask("one", "DBSIZE") == str(KEYS)
    listed = request("GET", f"{base}/box?restype=container&comp=list&{account_sas()}").decode()
    assert "no.rdb" not in listed, listed
    signature = urllib.parse.parse_qs(good)["sig"][0]
    for text in [signature, urllib.parse.quote(signature, safe="")]:
        leaks = [path for path, kept in world.kept()
                 if text.encode() in kept and "/logs/" in path]
        assert not leaks, leaks


def buckets(world, port):
    request("PUT", f"http://127.0.0.1:{port}/bucket", b"")
    round_trip(world, "s3://bucket/folder", "s3://bucket/folder/backup.rdb")
    said = world.run("cache", "import", "one", "s3://bucket/absent.rdb", "--yes", fails=True)
    assert "s3://bucket/absent.rdb could not be used" in said, said


def main(godwit, engine, azurite, moto):
    with tempfile.TemporaryDirectory() as directory:
        blob_port, s3_port = free_port(), free_port()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        storages = [
            subprocess.Popen([azurite, "--blobHost", "127.0.0.1", "--blobPort", str(blob_port),
                              "--inMemoryPersistence", "--silent", "--skipApiVersionCheck",
                              "--disableTelemetry"], cwd=directory, **quiet),
            subprocess.Popen([moto, "-H", "127.0.0.1", "-p", str(s3_port)], cwd=directory, **quiet),
        ]
        world = None
        try:
            for port in (blob_port, s3_port):
                until("the storage listens", lambda port=port: listens(port))
            world = World(godwit, engine, directory, {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
                "AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "something-secret",
            })
            world.run("cache", "create", "one", "--location", "eastus", "--enable-non-ssl-port")
            lines = "".join(f"SET key:{n} \"{'value ' * 40}\"\n" for n in range(KEYS))
            world.ask("one", given=lines)
            blobs(world, blob_port)
            buckets(world, s3_port)
        except BaseException:
            with open(os.path.join(directory, "up.log"), errors="replace") as log:
                sys.stderr.write(log.read()[-4000:])
            raise
        finally:
            if world:
                world.stop()
            for storage in storages:
                storage.terminate()
                storage.wait(timeout=PATIENCE)
    print(f"transfers with {engine}: blobs and buckets")


if __name__ == "__main__":
    main(*sys.argv[1:])
