"""redis-py on a geo endpoint over TLS: see run.py for what it is told and what it tells."""

import json
import os
import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

BATCH = 50
PAUSE = 0.002

stop = threading.Event()
counts = {"plain": 0, "pipelined": 0, "published": 0, "messages": 0}
errors = []
lock = threading.Lock()


def connect(**more):
    """One connection that is never made again: when it ends, that is an error."""
    return redis.Redis(
        host=os.environ["GEO_HOST"],
        port=int(os.environ["GEO_PORT"]),
        password=os.environ["KEY"],
        ssl=True,
        ssl_ca_certs=os.environ["CA"],
        ssl_check_hostname=True,
        socket_timeout=30,
        single_connection_client=True,
        retry=Retry(NoBackoff(), 0),
        **more,
    )


def run(work):
    """Repeats `work` until the end; what goes wrong is noted, and then a new connection is made."""

    def repeat():
        client = None
        while not stop.is_set():
            try:
                if client is None:
                    client = connect(protocol=work.protocol)
                    work.begin(client)
                work.once(client)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                with lock:
                    errors.append(f"{type(work).__name__}: {error!r}")
                client = None
                time.sleep(0.1)
            time.sleep(PAUSE)

    return threading.Thread(target=repeat)


class Plain:
    """Increments, and reads its own writes."""

    protocol = 3

    def __init__(self, name):
        self.key = f"clients:{name}:plain"
        self.value = 0

    def begin(self, client):
        self.value = int(client.get(self.key) or 0)

    def once(self, client):
        self.value += 1
        got = client.incr(self.key)
        text = f"value {self.value}"
        client.set(f"{self.key}:text", text)
        read = client.get(f"{self.key}:text")
        counts["plain"] += 3
        if got != self.value or read != text.encode():
            raise AssertionError(f"{got} for {self.value}, {read!r} for {text!r}")


class Pipelined:
    """Increments many times at once."""

    protocol = 2

    def __init__(self, name):
        self.key = f"clients:{name}:pipelined"
        self.value = 0

    def begin(self, client):
        self.value = int(client.get(self.key) or 0)

    def once(self, client):
        pipeline = client.pipeline(transaction=False)
        for _ in range(BATCH):
            pipeline.incr(self.key)
        got = pipeline.execute()
        expected = list(range(self.value + 1, self.value + BATCH + 1))
        counts["pipelined"] += BATCH
        self.value += BATCH
        if got != expected:
            raise AssertionError(f"{got} for {expected}")


class Publisher:
    """Publishes numbers."""

    protocol = 3

    def __init__(self, name):
        self.channel = f"clients:{name}"
        self.number = 0

    def begin(self, client):
        pass

    def once(self, client):
        self.number += 1
        client.publish(self.channel, self.number)
        counts["published"] += 1


def listen(name):
    """Subscribes once; numbers have to grow."""
    try:
        pubsub = connect().pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe(f"clients:{name}")
        last = 0
        while not stop.is_set():
            if message := pubsub.get_message(timeout=0.2):
                number = int(message["data"])
                counts["messages"] += 1
                counts["last_message"] = time.time()
                if number <= last:
                    errors.append(f"Subscriber: {number} after {last}")
                last = number
    except Exception as error:  # noqa: BLE001
        errors.append(f"Subscriber: {error!r}")


def main():
    name = os.environ["NAME"]
    subscriber = threading.Thread(target=listen, args=(name,))
    subscriber.start()
    time.sleep(0.5)
    threads = [run(work(name)) for work in (Plain, Pipelined, Publisher)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    time.sleep(0.5)
    stop.set()
    for thread in [*threads, subscriber]:
        thread.join()
    print(json.dumps({**counts, "errors": len(errors), "shown": [text[:200] for text in errors[:5]]}))


main()
