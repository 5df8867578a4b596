// SPDX-License-Identifier: Apache-2.0

// A small app over Igniter's HTTP: it writes, reads, follows and resumes. It needs fetch: Node 18 or a browser, and no packages.
//
//	igniter serve --path ./log --http 127.0.0.1:7480
//	node app.mjs http://127.0.0.1:7480
//
// The environment's IGNITER_TOKEN is shown as the token, if it is set. In a browser, the operator must name the page's origin:
// --http-origin.
import assert from "node:assert/strict";

class Conflict extends Error {
	constructor(latest) {
		super("conflict");
		this.latest = latest; // the key's latest fact, or null
	}
}

class Igniter {
	constructor(url, token) {
		this.url = url.replace(/\/$/, "");
		this.headers = token ? { Authorization: `Bearer ${token}` } : {};
	}

	async ask(method, path, { body, headers, signal } = {}) {
		const answer = await fetch(this.url + path, { method, body, signal, headers: { ...this.headers, ...headers } });
		if (answer.ok) return answer;
		const error = await answer.json();
		if (answer.status === 409 && error.error_code === "conflict") throw new Conflict(error.latest);
		throw Object.assign(new Error(error.error), { status: answer.status, code: error.error_code });
	}

	path(...parts) {
		return "/v1/" + parts.map(encodeURIComponent).join("/");
	}

	// get returns the fact that is a key's value, or null. A moment: {at_seq, as_of, valid_at}.
	async get(store, key, moment = {}) {
		try {
			return await (await this.ask("GET", this.path("stores", store, key) + "?" + new URLSearchParams(moment))).json();
		} catch (e) {
			if (e.status === 404) return null; // never_written, or deleted
			throw e;
		}
	}

	// put writes a value; only if the latest fact is after, or, if isNew, only if the key has none. It returns the fact.
	async put(store, key, value, { after, isNew } = {}) {
		const headers = { "Content-Type": "application/json" };
		if (after) headers["If-Match"] = `"${encodeURIComponent(after.id)}"`;
		if (isNew) headers["If-None-Match"] = "*";
		return (await this.ask("PUT", this.path("stores", store, key), { body: JSON.stringify(value), headers })).json();
	}

	// update reads a value, changes it and writes it, again and again until nobody was quicker.
	async update(store, key, change) {
		let fact = await this.get(store, key);
		for (;;) {
			try {
				return await this.put(store, key, change(fact?.value ?? null), fact ? { after: fact } : { isNew: true });
			} catch (e) {
				if (!(e instanceof Conflict)) throw e;
				fact = e.latest;
			}
		}
	}

	// write writes facts, each with id, store, key and value: all or none. Doing it again is harmless.
	async write(facts) {
		const body = facts.map((f) => JSON.stringify(f) + "\n").join("");
		return (await this.ask("POST", "/v1/facts", { body, headers: { "Content-Type": "application/x-ndjson" } })).json();
	}

	async history(store, key) {
		return (await (await this.ask("GET", this.path("history", store, key))).json()).records;
	}

	// follow yields {cursor, fact} for each fact after a cursor. Keep the cursor to go on there, after a restart too. EventSource
	// does the same where no token is needed; it can't send one.
	async *follow(cursor, query = {}) {
		for (;;) {
			const ended = new AbortController();
			try {
				const answer = await this.ask("GET", "/v1/events?" + new URLSearchParams({ ...query, after: cursor }), { signal: ended.signal });
				let rest = "", event = {};
				for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
					const lines = (rest + chunk).split("\n");
					rest = lines.pop();
					for (const line of lines) {
						const [, field, text] = /^(\w*): ?(.*)$/.exec(line) ?? [];
						if (field) event[field] = text;
						if (line !== "") continue;
						if (event.id) cursor = event.id;
						if (event.event === "fact") yield { cursor, fact: JSON.parse(event.data) };
						if (event.event === "igniter-error" && !["unavailable", "access_changed"].includes(JSON.parse(event.data).error_code)) throw Object.assign(new Error(event.data), { status: 500 });
						event = {};
					}
				}
			} catch (e) {
				if (e.status && ![502, 503, 504].includes(e.status)) throw e; // otherwise the connection was lost
			} finally {
				ended.abort();
			}
			await new Promise((again) => setTimeout(again, 1000));
		}
	}
}

const log = new Igniter(process.argv[2], process.env.IGNITER_TOKEN);

const milk = await log.put("js-tasks", "milk/1", { title: "Buy milk", done: false }, { isNew: true });
await assert.rejects(log.put("js-tasks", "milk/1", {}, { isNew: true }), (e) => e instanceof Conflict && e.latest.id === milk.id);
await log.update("js-tasks", "milk/1", (task) => ({ ...task, done: true }));
assert.equal((await log.get("js-tasks", "milk/1")).value.done, true);
assert.equal((await log.get("js-tasks", "milk/1", { at_seq: milk.seq })).value.done, false, "the past stays");
assert.equal(await log.get("js-tasks", "nothing"), null);

const batch = [0, 1, 2].map((i) => ({ id: `js-${i}`, store: "js-tasks", key: `egg-${i}`, value: { n: i } }));
assert.equal((await log.write(batch)).new, 3);
assert.equal((await log.write(batch)).new, 0, "writing it again is harmless");
assert.deepEqual((await log.history("js-tasks", "milk/1")).map((v) => v.kind), ["changed", "created"]);

const seen = [];
let at = "0";
for (const until of [2, 5]) {
	for await (const { cursor, fact } of log.follow(at, { store: "js-tasks" })) {
		seen.push(fact.key);
		at = cursor;
		if (seen.length === until) break; // as if the app ended here; it keeps the cursor
	}
}
assert.deepEqual(seen, ["milk/1", "milk/1", "egg-0", "egg-1", "egg-2"]);
console.log("javascript: wrote, read, followed and resumed at", at);
