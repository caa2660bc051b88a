// A real polder-hub with real devices, and a browser that trusts its certificate alone.
//
//   import { test, expect } from "./hub";
//   test("...", async ({ page, hub }) => { await signIn(page, hub.admin); ... });
//
// POLDER_PROGRAMS names the folder of the programs; all that they make is in a folder of its own.
import { test as base, expect, chromium, type Browser, type Page } from "@playwright/test";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const programs = resolve(process.env["POLDER_PROGRAMS"] ?? "../build/release");
const program = join(programs, "polder-hub");
const polder = join(programs, "polder");
const polderd = join(programs, "polderd");
const browserPath = process.env["POLDER_CHROMIUM"] ?? "/usr/bin/chromium";

export class Hub {
  url = "";
  admin = ""; // a token
  private process: ChildProcess | null = null;
  readonly folder = mkdtempSync(join(tmpdir(), "polder-console-"));
  private log = "";
  private mayAssign = false;

  async start(): Promise<void> {
    const child = spawn(
      program,
      ["serve", "--folder", join(this.folder, "hub"), "--listen", "127.0.0.1:0", "--host",
        "localhost", "--poll-s", "1"],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.process = child;
    child.stderr!.on("data", (text: Buffer) => (this.log += text.toString()));
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.on("error", (error) => reject(new Error(`${program}: ${error.message}`)));
      child.on("exit", (code) => reject(new Error(`${program} ended (${code}): ${this.log}`)));
      child.stdout!.on("data", (text: Buffer) => {
        said += text.toString();
        if (/admin +\S+\n/.test(said)) resolve();
      });
    });
    this.url = /https:\/\/\S+/.exec(said)![0];
    this.admin = /admin +(\S+)/.exec(said)![1]!;
  }

  ca(): string {
    return join(this.folder, "hub", "ca.pem");
  }

  stop(): void {
    this.process?.removeAllListeners("exit");
    this.process?.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  // SHA-256 of the key in its certificate, as Chromium takes it.
  keyHash(): string {
    const pem = readFileSync(join(this.folder, "hub", "server.pem"));
    const key = createPublicKey(new X509Certificate(pem).publicKey.export({
      type: "spki", format: "pem",
    }));
    return createHash("sha256")
      .update(key.export({ type: "spki", format: "der" }))
      .digest("base64");
  }

  ask(method: string, path: string, body?: unknown, token = this.admin): Promise<any> {
    const text = body === undefined ? "" : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = request(
        this.url + path,
        {
          method,
          ca: readFileSync(this.ca()),
          headers: {
            Authorization: `Bearer ${token}`,
            ...(text ? { "Content-Type": "application/json" } : {}),
          },
        },
        (response) => {
          let answer = "";
          response.on("data", (chunk: Buffer) => (answer += chunk.toString()));
          response.on("end", () =>
            (response.statusCode ?? 500) < 300
              ? resolve(answer ? JSON.parse(answer) : undefined)
              : reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`)),
          );
        },
      );
      sent.on("error", reject);
      sent.end(text);
    });
  }

  async token(name: string, role: string): Promise<string> {
    return (await this.ask("POST", "/v1/tokens", { name, role })).token;
  }

  // A repository whose people let the hub assign releases to devices, without which it takes no
  // rollout: tests/e2e/hubs.py. Once.
  letAssign(): void {
    if (this.mayAssign) return;
    execFileSync("/usr/bin/python3", ["e2e/let_assign.py", polder, this.url, this.admin,
      join(this.folder, "hub"), join(this.folder, "releaser")], { stdio: "pipe" });
    this.mayAssign = true;
  }

  // Enrols a device with a key of its own, by OpenSSL.
  async enrol(device: string, token?: string): Promise<void> {
    const made = token ?? (await this.ask("POST", "/v1/enrolment-tokens", {})).token;
    const key = join(this.folder, `${device}.key`);
    execFileSync("openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt",
      "ec_paramgen_curve:P-256", "-out", key], { stdio: "pipe" });
    const csr = execFileSync("openssl", ["req", "-new", "-key", key, "-subj", `/CN=${device}`]);
    const answer = await this.ask("POST", "/v1/enrol", { token: made, csr: csr.toString() });
    writeFileSync(join(this.folder, `${device}.crt`), answer.certificate);
  }
}

// Devices that run a small release and report to the hub: fleet.py.
export class Fleet {
  private constructor(private readonly process: ChildProcess) {}

  static async start(hub: Hub, names: string[]): Promise<Fleet> {
    const tokens: Record<string, string> = {};
    for (const name of names)
      tokens[name] = (await hub.ask("POST", "/v1/enrolment-tokens", {})).token;
    const child = spawn(
      "/usr/bin/python3",
      ["e2e/fleet.py", polder, polderd, join(hub.folder, "fleet"), hub.url, hub.ca()],
      { stdio: ["pipe", "inherit", "inherit"] },
    );
    child.stdin!.write(`${JSON.stringify(tokens)}\n`);
    return new Fleet(child);
  }

  // A release that none of them gets to run.
  releaseBad(version: string): void {
    this.process.stdin!.write(`${version}\n`);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.stdin!.end();
    await ended;
  }
}

// Waits for what takes devices a second or two when the machine has time.
export async function until<T>(what: string, find: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 300; ++i) {
    const found = await find();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${what}: not within a minute`);
}

export const test = base.extend<{ wrong: string[] }, { hub: Hub; trusting: Browser }>({
  // What the page does wrong in the browser's eyes: errors, and what its policy forbids. Whatever
  // is there at the end fails the test.
  wrong: async ({}, use) => use([]),
  hub: [
    async ({}, use) => {
      const hub = new Hub();
      await hub.start();
      try {
        await use(hub);
      } finally {
        hub.stop();
      }
    },
    { scope: "worker" },
  ],
  trusting: [
    async ({ hub }, use) => {
      const browser = await chromium.launch({
        executablePath: browserPath,
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
          `--ignore-certificate-errors-spki-list=${hub.keyHash()}`,
        ],
      });
      await use(browser);
      await browser.close();
    },
    { scope: "worker" },
  ],
  page: async ({ wrong, trusting, hub, contextOptions, locale, timezoneId, viewport }, use) => {
    const context = await trusting.newContext({
      ...contextOptions, locale, timezoneId, viewport, baseURL: hub.url,
    });
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: hub.url });
    const page = await context.newPage();
    page.on("pageerror", (error) => wrong.push(String(error)));
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      // The browser says of each refusal by the hub that it was one.
      if (!/Failed to load resource: the server responded/.test(message.text()))
        wrong.push(message.text());
    });
    await use(page);
    expect(wrong).toEqual([]);
    await context.close();
  },
});

export async function signIn(page: Page, token: string, where = "/"): Promise<void> {
  await page.goto(where);
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("navigation", { name: "Main navigation" })).toBeVisible();
}

export { expect };
