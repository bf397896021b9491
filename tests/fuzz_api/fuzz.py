"""Fuzzes the management API of a running `godwit up`, first by its OpenAPI document, then by hand.

No answer may be 5xx, take longer than a request may, or have another shape than the document says.
Everything is bounded and drawn from a fixed seed; `--examples` and `--seed` make it longer and other.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import requests

import attacks

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 90
VERSION = {"api-version": "2024-11-01"}
# What the document is held against. Left out is what the API means to do otherwise: it takes other
# spellings than the document has, nulls, and fields that answers carry.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "missing_required_header",
    "ignored_auth",
]


class Deployment:
    """A running `godwit up` with two linked caches."""

    def __init__(self, godwit, engine, directory):
        self.data = os.path.join(directory, "data")
        self.log = open(os.path.join(directory, "up.log"), "w+")
        self.process = subprocess.Popen(
            [godwit, "up", "--data", self.data, "--listen", "127.0.0.1:0", "--addresses", "ports",
             "--engine", engine, "--dns", "127.0.0.1:0"],
            stderr=self.log, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        endpoint = os.path.join(self.data, "endpoint")
        self.until("godwit up is up", lambda: os.path.exists(endpoint))
        self.url = open(endpoint).read().strip()
        self.token = open(os.path.join(self.data, "token")).read().strip()
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer " + self.token
        authority = os.path.join(self.data, "ca.pem")
        if self.url.startswith("https"):
            self.session.verify = authority
        self.subscription = self.ask("GET", "/subscriptions")["value"][0]["id"].rsplit("/")[-1]

    def until(self, what, ask):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError("godwit up ended: " + self.words())
            found = ask()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError("gave up: %s: %s" % (what, self.words()))

    def words(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-4000:]

    def ask(self, method, path, body=None):
        answer = self.session.request(method, self.url + path, params=VERSION, json=body, timeout=30)
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def group(self, name):
        return "/subscriptions/%s/resourceGroups/%s" % (self.subscription, name)

    def cache(self, name):
        return self.group("fuzz") + "/providers/Microsoft.Cache/redis/" + name

    def state(self, path):
        return self.ask("GET", path)["properties"]["provisioningState"]

    def stock(self):
        """Two linked caches."""
        self.ask("PUT", self.group("fuzz"), {"location": "eastus"})
        for name, place in [("fuzz-east", "eastus"), ("fuzz-west", "westus")]:
            sku = {"name": "Premium", "family": "P", "capacity": 1}
            self.ask("PUT", self.cache(name), {"location": place, "properties": {"sku": sku}})
        for name in ["fuzz-east", "fuzz-west"]:
            self.until(name + " is ready", lambda: self.state(self.cache(name)) == "Succeeded")
        link = self.cache("fuzz-east") + "/linkedServers/fuzz-west"
        self.ask("PUT", link, {"properties": {
            "linkedRedisCacheId": self.cache("fuzz-west"), "linkedRedisCacheLocation": "westus",
            "serverRole": "Secondary"}})
        self.until("they are linked", lambda: self.state(link) == "Succeeded")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        assert code == 0, (code, self.words())


def by_document(deployment, arguments):
    """Everything that the document allows, and what borders on it."""
    known = {
        "subscription": deployment.subscription,
        "groups": ["fuzz"],
        "caches": ["fuzz-east", "fuzz-west"],
        "spare": ["spare-one", "spare-two"],
        "cache_id": deployment.cache("{name}"),
    }
    environment = dict(os.environ, FUZZ_KNOWN=json.dumps(known), SCHEMATHESIS_HOOKS="hooks",
                       PYTHONPATH=HERE, NO_COLOR="1")
    command = [
        arguments.schemathesis, "run", deployment.url + "/openapi.json",
        "--header", "Authorization: Bearer " + deployment.token,
        # Agents are Godwit's own programs, and what one says is believed.
        "--exclude-path-regex", "^/agents/",
        "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(arguments.examples),
        "--seed", str(arguments.seed),
        "--request-timeout", "20",
        "--max-failures", "20",
        "--no-shrink",
        "--warnings", "off",
        "--workers", "1",
        "--generation-database", "none",
        "--suppress-health-check", "all",
    ]
    if deployment.url.startswith("https"):
        command += ["--tls-verify", deployment.session.verify]
    return subprocess.run(command, env=environment, cwd=HERE).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--godwit", required=True)
    parser.add_argument("--schemathesis", required=True)
    parser.add_argument("--engine", default="valkey")
    parser.add_argument("--examples", type=int, default=3)
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--by-hand", action="store_true", help="leave the document out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-api") as directory:
        deployment = Deployment(arguments.godwit, arguments.engine, directory)
        try:
            deployment.stock()
            begun = time.monotonic()
            failed = 0 if arguments.by_hand else by_document(deployment, arguments)
            print("by the document: %.0f s" % (time.monotonic() - begun))
            begun = time.monotonic()
            statuses = attacks.run(deployment)
            told = ", ".join("%d times %s" % (count, status or "none") for status, count in sorted(statuses.items()))
            print("by hand: %.0f s; answers: %s" % (time.monotonic() - begun, told))
            # It is still there, and does what it did.
            deployment.ask("GET", deployment.cache("fuzz-east"))
            words = deployment.words()
            assert "panicked" not in words, words
        finally:
            deployment.stop()
    return failed


if __name__ == "__main__":
    sys.exit(main())
