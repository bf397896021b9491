"""Real clients on geo endpoints over TLS, through planned failovers under load.

Starts `godwit up` with two linked caches, and clients on the geo endpoint of either: redis-py, ioredis
and redis-rs with plain commands, pipelines, a publisher and a subscriber each, `valkey-cli`,
`redis-benchmark` and `valkey-benchmark`. While they work, the geo-primary changes again and again.
A connection that ends, an answer that is an error, and an answer that is not the one that is due
(each client increments counters of its own) are errors, and there may be none.

A client is told by its environment where to go (GEO_HOST, GEO_PORT, GEO_NAME), whom to trust (CA, a file),
what opens it (KEY) and what its keys are called (NAME). It works until its standard input ends, and
then prints one line of JSON: plain, pipelined, published and messages, how many; last_message, when;
errors, how many, and shown, the first ones.

What it needs is installed by run.sh, which is what people type.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

API = "api-version=2024-11-01"
HERE = pathlib.Path(__file__).resolve().parent


def say(text):
    print(text, file=sys.stderr, flush=True)


def until(what, look, patience=90):
    """Asks until there is an answer."""
    end = time.monotonic() + patience
    last = None
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except (OSError, KeyError, subprocess.CalledProcessError) as error:
            last = error
        time.sleep(0.1)
    raise SystemExit(f"gave up: {what} ({last})")


class Deployment:
    """`godwit up` on a directory of its own."""

    def __init__(self, godwit, engine):
        self.godwit = godwit
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="clients"))
        command = [godwit, "up", "--data", self.data, "--addresses", "ports"]
        command += ["--engine", engine, "--listen", "127.0.0.1:0"]
        self.log = open(self.data / "up.log", "wb")
        self.up = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True
        )
        until("the control plane answers", lambda: self.run("region", "list"))
        self.url = (self.data / "endpoint").read_text().strip()
        self.token = (self.data / "token").read_text().strip()
        self.authority = self.data / "ca.pem"
        self.authority.write_bytes(self.get("/providers/Godwit.Cache/certificateAuthority"))

    def run(self, *words):
        command = [self.godwit, *words, "--data", self.data]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout or "done"

    def get(self, path):
        request = urllib.request.Request(f"{self.url.rstrip('/')}{path}?{API}")
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def geo(self, name):
        """The geo endpoint of a cache, for a client's environment."""
        cache = json.loads(self.run("cache", "show", name, "-o", "json"))

        def look():
            status = json.loads(self.get(f"{cache['id']}/runtimeStatus"))
            geo = status["endpoints"]["geo"]
            return geo if geo["address"] and geo["tlsPort"] else None

        geo = until(f"{name} has a geo endpoint", look)
        return {
            "GEO_HOST": geo["address"],
            "GEO_PORT": str(geo["tlsPort"]),
            "GEO_NAME": geo["name"],
            "CA": str(self.authority),
            "KEY": self.run("cache", "keys", name, "--show", "primary").strip(),
        }

    def stop(self):
        self.up.send_signal(signal.SIGINT)
        try:
            self.up.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.up.pid, signal.SIGKILL)
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)


class Program:
    """A client of a library."""

    def __init__(self, name, command, environment):
        self.name = name
        self.told = None
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment, "NAME": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self):
        try:
            out, err = self.process.communicate("", timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return {"errors": 1, "shown": ["it did not end"]}
        try:
            return json.loads(out)
        except json.JSONDecodeError:
            return {"errors": 1, "shown": [(out + err).strip()[-500:]]}


class CommandLine:
    """`valkey-cli`, which is typed `INCR` all the time."""

    def __init__(self, name, program, environment):
        self.name = name
        self.stop = threading.Event()
        self.answers = 0
        self.errors = []
        command = [program, *options(environment), "--no-auth-warning", "-a", environment["KEY"]]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.typing = threading.Thread(target=self.type)
        self.reading = threading.Thread(target=self.read)
        self.typing.start()
        self.reading.start()

    def type(self):
        while not self.stop.is_set():
            self.process.stdin.write(f"INCR clients:{self.name}\n")
            self.process.stdin.flush()
            time.sleep(0.005)
        self.process.stdin.close()

    def read(self):
        for line in self.process.stdout:
            line = line.strip()
            if line == str(self.answers + 1):
                self.answers += 1
            elif line:
                self.errors.append(line)

    def end(self):
        self.stop.set()
        self.typing.join()
        self.reading.join()
        self.process.wait(10)
        return {"plain": self.answers, "errors": len(self.errors), "shown": self.errors[:5]}


class Benchmark:
    """A benchmark again and again, which ends early when anything goes wrong."""

    def __init__(self, name, program, pipeline, environment):
        self.name = name
        self.stop = threading.Event()
        self.requests = 0
        self.errors = []
        self.kind = "plain" if pipeline == 1 else "pipelined"
        self.command = [program, *options(environment), "-a", environment["KEY"], "--csv"]
        self.command += ["-t", "set,get,incr", "-n", "5000", "-c", "10", "-P", str(pipeline)]
        self.running = threading.Thread(target=self.run)
        self.running.start()

    def run(self):
        while not self.stop.is_set():
            done = subprocess.run(self.command, check=False, capture_output=True, text=True)
            text = (done.stdout + done.stderr).strip()
            if done.returncode or re.search(r"error", text, re.IGNORECASE):
                self.errors.append(done.stderr.strip() or text[-200:])
            else:
                self.requests += 3 * 5000

    def end(self):
        self.stop.set()
        self.running.join()
        return {self.kind: self.requests, "errors": len(self.errors), "shown": self.errors[:5]}


def options(environment):
    found = ["--tls", "--cacert", environment["CA"], "--sni", environment["GEO_NAME"]]
    return [*found, "-h", environment["GEO_HOST"], "-p", environment["GEO_PORT"]]


def start(arguments, east, west):
    programs = {
        "redis-py": [sys.executable, HERE / "redis_py.py"],
        "ioredis": ["node", arguments.modules / "ioredis.mjs"],
        "redis-rs": [arguments.redis_rs],
    }
    clients = []
    for side, environment in (("east", east), ("west", west)):
        for library, command in programs.items():
            clients.append(Program(f"{library}-{side}", command, environment))
    clients.append(CommandLine("valkey-cli-east", "valkey-cli", east))
    clients.append(CommandLine("redis-cli-west", "redis-cli", west))
    clients.append(Benchmark("redis-benchmark-east", "redis-benchmark", 1, east))
    clients.append(Benchmark("valkey-benchmark-west", "valkey-benchmark", 16, west))
    return clients


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--godwit", required=True, type=pathlib.Path)
    parser.add_argument("--modules", required=True, type=pathlib.Path, help="where ioredis is")
    parser.add_argument("--redis-rs", required=True, type=pathlib.Path)
    parser.add_argument("--engine", default="valkey")
    parser.add_argument("--failovers", type=int, default=50)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between failovers")
    arguments = parser.parse_args()
    deployment = Deployment(arguments.godwit, arguments.engine)
    try:
        return measure(arguments, deployment)
    finally:
        deployment.stop()


def measure(arguments, deployment):
    deployment.run("cache", "create", "east", "--location", "eastus")
    deployment.run("cache", "create", "west", "--location", "westus")
    deployment.run("link", "create", "east", "west", "--yes")
    clients = start(arguments, deployment.geo("east"), deployment.geo("west"))
    time.sleep(3)
    failed = []
    times = []
    for number in range(arguments.failovers):
        target = ("west", "east")[number % 2]
        began = time.monotonic()
        try:
            deployment.run("failover", target)
        except OSError as error:
            failed.append(str(error))
            say(f"failover {number + 1} to {target}: {error}")
        times.append(time.monotonic() - began)
        time.sleep(arguments.pause)
    last = time.time()
    time.sleep(2)
    bad = bool(failed)
    print(f"{arguments.failovers} planned failovers, {len(failed)} of them refused; ", end="")
    times.sort()
    print(f"command to answer: median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s")
    columns = ("plain", "pipelined", "published", "messages", "errors")
    print(f"{'client':24}" + "".join(f"{column:>11}" for column in columns))
    for client in clients:
        told = client.end()
        numbers = "".join(f"{told.get(column, '-'):>11}" for column in columns)
        print(f"{client.name:24}{numbers}")
        for text in told["shown"]:
            print(f"    {text[:200]}")
        idle = [name for name in ("plain", "pipelined", "messages") if told.get(name, 1) == 0]
        if idle:
            print(f"    nothing was {', '.join(idle)}")
        deaf = "last_message" in told and told["last_message"] < last
        if deaf:
            print("    its subscriber heard nothing after the last failover")
        bad |= deaf or bool(idle) or bool(told["errors"])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
