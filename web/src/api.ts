// The hub's HTTP API: one request at a time, problems as errors, documents as they come.
import { session, signOut } from "./session";

// What the hub answers when it does not do what was asked (RFC 9457), or why nothing was answered.
export class Problem extends Error {
  constructor(
    readonly status: number, // 0: no answer
    readonly code: string,
    detail: string,
    readonly requestId = "",
    readonly missing = "", // "GET /v1/rollouts": this hub has no such address
  ) {
    super(detail);
  }
}

const maxAnswerMs = 20_000; // that an answer may take
const maxAgain = 2;
const againMs = 1_000;

// The paths that this hub has, by its own description.
let paths: Promise<Record<string, Record<string, unknown>>> | null = null;

async function hubPaths(): Promise<Record<string, Record<string, unknown>>> {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Problem(response.status, "unavailable", response.statusText);
  return ((await response.json()) as { paths: Record<string, Record<string, unknown>> }).paths;
}

export function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const parts = path.split("/");
  return (
    wanted.length === parts.length &&
    wanted.every((part, i) => part.startsWith("{") || part === parts[i])
  );
}

// Whether the hub has this address at all: a 404 of one that it has is about the thing asked for.
export async function has(method: string, path: string): Promise<boolean> {
  paths ??= hubPaths();
  try {
    const bare = path.replace(/\?.*/, "");
    return Object.entries(await paths).some(
      ([pattern, methods]) => matches(pattern, bare) && method.toLowerCase() in methods,
    );
  } catch {
    paths = null;
    return true; // not known: what it answered then stands
  }
}

async function problemOf(response: Response, method: string, path: string): Promise<Problem> {
  let document: { code?: string; detail?: string; request_id?: string } = {};
  try {
    document = await response.json();
  } catch {
    // Not the hub's own answer: a proxy's, say.
  }
  const bare = path.replace(/\?.*/, "");
  const gone =
    (response.status === 404 || response.status === 405) && !(await has(method, bare));
  return new Problem(
    response.status,
    document.code ?? "unavailable",
    document.detail ?? (response.statusText || `HTTP ${response.status}`),
    document.request_id ?? response.headers.get("X-Request-Id") ?? "",
    gone ? `${method} ${bare}` : "",
  );
}

// As often as it is asked: nothing is written.
const changesNothing = new Set(["/v1/rollout-previews"]);

// Sends it; what changes something again where no answer came: the hub does it once, by its key.
async function send(method: string, path: string, init: RequestInit): Promise<Response> {
  const headers = { ...(init.headers as Record<string, string>) };
  const changes = method !== "GET" && !changesNothing.has(path);
  if (changes) headers["Idempotency-Key"] = crypto.randomUUID();
  for (let left = changes ? maxAgain : 0; ; --left) {
    try {
      return await fetch(path, {
        ...init,
        method,
        headers,
        signal: AbortSignal.timeout(maxAnswerMs),
        credentials: "omit",
        redirect: "error",
      });
    } catch (error) {
      if (left === 0) throw new Problem(0, "unavailable", (error as Error).message);
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
  }
}

// Of what was read before, the same object comes again while it is unchanged.
const kept = new Map<string, { tag: string; document: unknown }>();
const maxKept = 50;

export async function ask<T>(
  method: "GET" | "POST" | "PUT",
  path: string,
  body?: unknown,
  token: string | undefined = session.get()?.token,
): Promise<T> {
  const headers: Record<string, string> = {};
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const known = method === "GET" ? kept.get(path) : undefined;
  if (known) headers["If-None-Match"] = known.tag;
  const response = await send(method, path, {
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 304 && known) return known.document as T;
  if (!response.ok) {
    const problem = await problemOf(response, method, path);
    if (problem.status === 401 && session.get()?.token === token) signOut(problem.message);
    throw problem;
  }
  if (response.status === 204) return undefined as T;
  const document = (await response.json()) as T;
  const tag = response.headers.get("ETag");
  if (method === "GET" && tag) {
    kept.delete(path);
    kept.set(path, { tag, document });
    const oldest = kept.keys().next().value;
    if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest);
  }
  return document;
}

// Of a list that comes page by page all that is in `member`.
export async function askAll<T>(path: string, member: string): Promise<T[]> {
  const list = path.split("?")[0];
  const all: T[] = [];
  let at: string | undefined = path;
  while (at?.split("?")[0] === list) {
    const page: Record<string, T[]> & { next?: string } = await ask("GET", at!);
    all.push(...(page[member] ?? []));
    at = page.next;
  }
  return all;
}

// What one person read is not another's.
session.follow(() => kept.clear());

export function address(path: string, query: Record<string, string | number | undefined>): string {
  const text = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== "") text.set(name, String(value));
  const tail = text.toString();
  return tail ? `${path}?${tail}` : path;
}

export const part = encodeURIComponent;
