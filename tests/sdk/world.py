"""A running `godwit up`, and the unmodified management SDK pointed at it.

Plain http needs an authentication policy that does not insist on TLS, which the SDK takes as an argument.
"""

import base64
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

import redis
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.redis import RedisManagementClient

GROUP = "sdk-group"
PATIENCE = 60


class Token(SansIOHTTPPolicy):
    """Sends the bearer token, over http as well."""

    def __init__(self, token):
        self.token = token

    def on_request(self, request):
        request.http_request.headers["Authorization"] = "Bearer " + self.token


class NoCredential:
    """The client wants a credential object; the policy above makes it unused."""

    def get_token(self, *scopes, **kwargs):
        raise AssertionError("the policy sends the token")


def until(what, ask):
    """Asks until it gives something true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = ask()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("gave up: " + what)


def issuer(directory):
    """Somebody whose tokens are believed, with a key that nobody has signed anything with."""
    keys = os.path.join(directory, "keys.json")
    modulus = base64.urlsafe_b64encode(b"\xc1" + os.urandom(254) + b"\x01").decode().rstrip("=")
    with open(keys, "w") as file:
        json.dump({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k", "e": "AQAB",
                             "n": modulus}]}, file)
    return "https://issuer.test,jwks=" + keys


class Deployment:
    """A running `godwit up`."""

    def __init__(self, binary, engine, directory):
        self.data = os.path.join(directory, "data")
        self.transfers = os.path.join(directory, "transfers")
        os.mkdir(self.transfers)
        self.log = open(os.path.join(directory, "up.log"), "w+")
        self.process = subprocess.Popen(
            [binary, "up", "--data", self.data, "--listen", "127.0.0.1:0", "--addresses", "ports",
             "--engine", engine, "--token-issuer", issuer(directory),
             "--transfer-directory", self.transfers],
            stderr=self.log, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        endpoint = os.path.join(self.data, "endpoint")
        until("godwit up is up", lambda: self.alive() and os.path.exists(endpoint))
        self.url = open(endpoint).read().strip()
        self.token = open(os.path.join(self.data, "token")).read().strip()
        self.subscription = self.get("/subscriptions?api-version=2022-12-01")["value"][0]["subscriptionId"]

    def alive(self):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise AssertionError("godwit up ended: " + self.log.read())
        return True

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", "Bearer " + self.token)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
            return json.loads(body) if body else None

    def is_absent(self, path):
        try:
            self.get(path)
        except urllib.error.HTTPError as error:
            return error.code == 404
        return False

    def get(self, path):
        return self.ask("GET", path)

    def sdk(self, token=None):
        return RedisManagementClient(
            NoCredential(), self.subscription, base_url=self.url, polling_interval=1,
            authentication_policy=Token(token or self.token))

    def client(self, name):
        """A client of a cache's direct endpoint, without TLS."""
        sdk = self.sdk()
        status = self.get("%s/runtimeStatus?api-version=2024-11-01" % sdk.redis.get(GROUP, name).id)
        key = sdk.redis.list_keys(GROUP, name).primary_key
        return redis.Redis(status["endpoint"]["host"], status["endpoint"]["port"], password=key)

    def writable(self, name):
        try:
            return self.client(name).set("probe", name)
        except redis.exceptions.RedisError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=120)
        self.log.seek(0)
        assert code == 0, (code, self.log.read())


def refused(call, *words):
    """Calls, expects an error of the service, and gives it."""
    try:
        call()
    except HttpResponseError as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return error
    raise AssertionError("not refused: %s" % (words,))


def absent(call):
    """Calls, and expects that what is asked for is not there."""
    try:
        call()
    except ResourceNotFoundError:
        return
    raise AssertionError("it is there")


def premium(location, **more):
    """A Premium P1 cache."""
    return {"location": location, "sku": {"name": "Premium", "family": "P", "capacity": 1},
            "enable_non_ssl_port": True, **more}
