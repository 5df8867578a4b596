# SPDX-License-Identifier: Apache-2.0
"""A small app over Igniter's HTTP: it writes, reads, follows and resumes. It needs Python 3.9 and no packages.

    igniter serve --path ./log --http 127.0.0.1:7480
    python3 app.py http://127.0.0.1:7480

The environment's IGNITER_TOKEN is shown as the token, if it is set.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request


class Conflict(Exception):
    """The key's latest fact is not the one that was expected. latest is that fact, or None."""

    def __init__(self, latest):
        super().__init__("conflict")
        self.latest = latest


class Igniter:
    def __init__(self, url, token=None):
        self.url, self.token = url.rstrip("/"), token

    def open(self, method, path, body=None, headers=(), timeout=30):
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(headers))
        if self.token:
            request.add_header("Authorization", "Bearer " + self.token)
        return urllib.request.urlopen(request, timeout=timeout)

    @staticmethod
    def path(*parts):
        return "/v1/" + "/".join(urllib.parse.quote(p, safe="") for p in parts)

    def get(self, store, key, **moment):
        """Returns the fact that is a key's value, or None. A moment: at_seq=, as_of=, valid_at=."""
        query = "?" + urllib.parse.urlencode(moment) if moment else ""
        try:
            with self.open("GET", self.path("stores", store, key) + query) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            if e.code == 404:  # never_written, or deleted
                return None
            raise

    def put(self, store, key, value, after=None, new=False):
        """Writes a value; only if the latest fact is after, or, if new, only if the key has none. Returns the fact."""
        headers = {"Content-Type": "application/json"}
        if after:
            headers["If-Match"] = '"' + urllib.parse.quote(after["id"], safe="") + '"'
        if new:
            headers["If-None-Match"] = "*"
        try:
            with self.open("PUT", self.path("stores", store, key), json.dumps(value).encode(), headers) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as e:
            if e.code == 409:
                raise Conflict(json.load(e).get("latest")) from None
            raise

    def update(self, store, key, change):
        """Reads a value, changes it and writes it, again and again until nobody was quicker."""
        fact = self.get(store, key)
        while True:
            try:
                if fact is None:
                    return self.put(store, key, change(None), new=True)
                return self.put(store, key, change(fact["value"]), after=fact)
            except Conflict as conflict:
                fact = conflict.latest
                if fact is not None and fact["value"] is None:  # deleted
                    return self.put(store, key, change(None), after=fact)

    def write(self, facts):
        """Writes facts, each with id, store, key and value: all or none. Doing it again is harmless."""
        body = "".join(json.dumps(f) + "\n" for f in facts).encode()
        with self.open("POST", "/v1/facts", body, {"Content-Type": "application/x-ndjson"}) as answer:
            return json.load(answer)

    def history(self, store, key):
        with self.open("GET", self.path("history", store, key)) as answer:
            return json.load(answer)["records"]

    def follow(self, cursor, **query):
        """Yields (cursor, fact) for each fact after a cursor. Keep the cursor to go on there, after a restart too."""
        while True:
            try:
                query["after"] = cursor
                with self.open("GET", "/v1/events?" + urllib.parse.urlencode(query, doseq=True), timeout=60) as events:
                    name, data = "", ""
                    for line in events:
                        line = line.decode().rstrip("\n")
                        field, _, text = line.partition(": ")
                        if field == "id":
                            cursor = text
                        elif field == "event":
                            name = text
                        elif field == "data":
                            data = text
                        elif line == "" and name == "fact":
                            yield cursor, json.loads(data)
                            name = ""
                        elif line == "" and name == "igniter-error":
                            if json.loads(data)["error_code"] not in ("unavailable", "access_changed"):
                                raise RuntimeError(data)
                            name = ""
            except (urllib.error.URLError, ConnectionError, TimeoutError) as e:
                if isinstance(e, urllib.error.HTTPError) and e.code not in (502, 503, 504):
                    raise


def main():
    log = Igniter(sys.argv[1], os.environ.get("IGNITER_TOKEN"))

    milk = log.put("py-tasks", "milk/1", {"title": "Buy milk", "done": False}, new=True)
    try:
        log.put("py-tasks", "milk/1", {}, new=True)
    except Conflict as conflict:
        assert conflict.latest["id"] == milk["id"]
    log.update("py-tasks", "milk/1", lambda task: {**task, "done": True})
    assert log.get("py-tasks", "milk/1")["value"]["done"] is True
    assert log.get("py-tasks", "milk/1", at_seq=milk["seq"])["value"]["done"] is False, "the past stays"
    assert log.get("py-tasks", "nothing") is None

    batch = [{"id": "py-%d" % i, "store": "py-tasks", "key": "egg-%d" % i, "value": {"n": i}} for i in range(3)]
    assert log.write(batch)["new"] == 3
    assert log.write(batch)["new"] == 0, "writing it again is harmless"
    assert [v["kind"] for v in log.history("py-tasks", "milk/1")] == ["changed", "created"]

    seen, cursor = [], "0"
    for cursor, fact in log.follow(cursor, store="py-tasks"):
        seen.append(fact["key"])
        if len(seen) == 2:
            break  # as if the app ended here; it keeps the cursor
    for cursor, fact in log.follow(cursor, store="py-tasks"):
        seen.append(fact["key"])
        if len(seen) == 5:
            break
    assert seen == ["milk/1", "milk/1", "egg-0", "egg-1", "egg-2"], seen
    print("python: wrote, read, followed and resumed at", cursor)


if __name__ == "__main__":
    main()
