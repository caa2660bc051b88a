import { webcrypto } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ask, askAll, Problem } from "./api";

globalThis.crypto ??= webcrypto as Crypto; // Node 18 has it only as a module

interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
}
let sent: Sent[] = [];
let answers: (() => Response)[] = [];

beforeEach(() => {
  sent = [];
  vi.useFakeTimers();
  vi.stubGlobal("fetch", (path: string, init: RequestInit = {}) => {
    sent.push({
      method: init.method ?? "GET",
      path,
      headers: (init.headers ?? {}) as Record<string, string>,
    });
    const answer = answers.shift();
    return answer ? Promise.resolve().then(answer) : Promise.reject(new Error("no network"));
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  answers = [];
});

const json = (document: unknown, status = 200, headers: Record<string, string> = {}) => () =>
  new Response(status === 204 || status === 304 ? null : JSON.stringify(document), {
    status,
    headers,
  });
const lost = () => {
  throw new Error("connection reset");
};
async function settled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  await vi.advanceTimersByTimeAsync(10_000);
  return promise;
}

describe("what changes something", () => {
  it("is sent again with the same key when no answer came", async () => {
    answers = [lost, json({ id: "1" }, 201)];
    expect(await settled(ask("POST", "/v1/tokens", { name: "a" }, "t"))).toEqual({ id: "1" });
    expect(sent.map((one) => one.path)).toEqual(["/v1/tokens", "/v1/tokens"]);
    expect(sent[0]!.headers["Idempotency-Key"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(sent[1]!.headers).toEqual(sent[0]!.headers);
  });
  it("has a key of its own each time", async () => {
    answers = [json(null, 204), json(null, 204)];
    for (let i = 0; i < 2; ++i) await settled(ask("POST", "/v1/devices/a/revoke", undefined, "t"));
    expect(sent[0]!.headers["Idempotency-Key"]).not.toBe(sent[1]!.headers["Idempotency-Key"]);
  });
  it("is given up after three tries", async () => {
    answers = [lost, lost, lost];
    await expect(settled(ask("PUT", "/v1/devices/a/tags", {}, "t"))).rejects.toThrow("reset");
    expect(sent.length).toBe(3);
  });
  it("is not sent again when the hub refuses", async () => {
    answers = [json({ detail: "no", code: "denied", request_id: "r1" }, 403)];
    const problem = await settled(ask("POST", "/v1/x", {}, "t")).catch((error: Problem) => error);
    expect(problem).toMatchObject({ status: 403, code: "denied", message: "no", requestId: "r1" });
    expect(sent.length).toBe(1);
  });
});

describe("what is read", () => {
  it("is asked for once, and by its tag from then on", async () => {
    answers = [json({ a: 1 }, 200, { ETag: '"x"' }), json(null, 304)];
    const first = await settled(ask("GET", "/v1/kept", undefined, "t"));
    const second = await settled(ask("GET", "/v1/kept", undefined, "t"));
    expect(second).toBe(first);
    expect(sent[1]!.headers["If-None-Match"]).toBe('"x"');
    answers = [lost];
    await expect(settled(ask("GET", "/v1/kept", undefined, "t"))).rejects.toThrow("reset");
    expect(sent.length).toBe(3);
  });
  it("from an address that the hub does not have is told apart from a thing that is not there",
    async () => {
      const paths = { paths: { "/v1/devices/{id}": { get: {} } } };
      const problem = json({ detail: "gone", code: "not_found" }, 404);
      answers = [problem, json(paths), problem];
      const missing = await settled(ask("GET", "/v1/fleet?x=1", undefined, "t"))
        .catch((error: Problem) => error);
      expect(missing).toMatchObject({ missing: "GET /v1/fleet" });
      const other = await settled(ask("GET", "/v1/devices/a", undefined, "t"))
        .catch((error: Problem) => error);
      expect(other).toMatchObject({ missing: "", message: "gone" });
    });
});

describe("a list that comes page by page", () => {
  it("is walked to its end, and to no other address", async () => {
    answers = [
      json({ windows: [3, 4], next: "/v1/devices/a/metrics?before=3" }),
      json({ windows: [1, 2], next: "https://elsewhere.example/v1/devices/a/metrics?before=1" }),
    ];
    const path = "/v1/devices/a/metrics?limit=2";
    expect(await settled(askAll(path, "windows"))).toEqual([3, 4, 1, 2]);
    expect(sent.map((one) => one.path)).toEqual([path, "/v1/devices/a/metrics?before=3"]);
  });
});
