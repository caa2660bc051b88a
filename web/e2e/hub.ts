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
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
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

// Who makes releases, and devices that run them and report to the hub: fleet.py. Anna pushes, Ben
// approves, Olga rolls out.
export class Fleet {
  readonly people: Record<"anna" | "ben" | "olga", string> = { anna: "", ben: "", olga: "" };
  private process: ChildProcess | null = null;
  private answers: AsyncIterator<string> | null = null;
  private readonly released = new Set<string>();
  private constructor(private readonly hub: Hub) {}

  static async start(hub: Hub): Promise<Fleet> {
    const fleet = new Fleet(hub);
    for (const [name, role] of [["anna", "releaser"], ["ben", "releaser"], ["olga", "operator"]])
      fleet.people[name as "anna"] = await hub.token(name!, role!);
    fleet.process = spawn(
      "/usr/bin/python3",
      ["e2e/fleet.py", polder, polderd, join(hub.folder, "fleet"), hub.url,
        join(hub.folder, "hub")],
      {
        stdio: ["pipe", "pipe", "inherit"],
        env: { ...process.env, POLDER_HUB_TOKEN: fleet.people.anna },
      },
    );
    const lines = createInterface({ input: fleet.process.stdout! });
    fleet.answers = lines[Symbol.asyncIterator]();
    return fleet;
  }

  private async tell(command: object): Promise<any> {
    this.process!.stdin!.write(`${JSON.stringify(command)}\n`);
    const answer = await this.answers!.next();
    if (answer.done) throw new Error(`fleet.py ended at ${JSON.stringify(command)}`);
    return JSON.parse(answer.value);
  }

  // Until somebody approves it. The id of the approval.
  async push(version: string, how: { broken?: boolean } = {}): Promise<string> {
    return (await this.tell({ do: "push", version, ...how })).approval;
  }

  async pull(): Promise<void> {
    await this.tell({ do: "pull" });
  }

  async release(version: string, how: { broken?: boolean } = {}): Promise<void> {
    const approval = await this.push(version, how);
    await this.hub.ask("POST", `/v1/approvals/${approval}/approve`, undefined, this.people.ben);
    await this.pull();
    this.released.add(version);
  }

  // Those of them that are not yet.
  async publish(...versions: string[]): Promise<void> {
    for (const version of versions) if (!this.released.has(version)) await this.release(version);
  }

  // Enrolled, running the version, all well.
  async devices(names: string[], version: string): Promise<void> {
    const tokens: Record<string, string> = {};
    for (const name of names)
      tokens[name] = (await this.hub.ask("POST", "/v1/enrolment-tokens", {})).token;
    await this.tell({ do: "start", tokens });
    await until("devices", async () => {
      const { devices } = await this.hub.ask("GET", "/v1/devices");
      return names.every((name) => devices.some((one: any) => one.id === name && one.seen));
    });
    const order = { stages: [{ percent: 100, least_minutes: 0 }], look_s: 1 };
    const { id } = await this.rollOut(version, order);
    await this.run(names, version);
    await until(`${id} is done`, async () => {
      return (await this.hub.ask("GET", `/v1/rollouts/${id}`)).phase === "done";
    });
  }

  async rollOut(version: string, order: object): Promise<any> {
    return this.hub.ask("POST", "/v1/rollouts", { model: "voice", version, ...order },
      this.people.olga);
  }

  async run(names: string[], version: string): Promise<void> {
    await until(`${names} run ${version}`, async () => {
      const { devices } = await this.hub.ask("GET", "/v1/devices?limit=1000");
      return names.every((name) =>
        devices.some((one: any) => one.id === name && one.units.some((unit: any) =>
          unit.version === version && unit.health === "well" && unit.frames > 0)));
    });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process!.once("exit", resolve));
    this.process!.stdin!.end();
    await ended;
  }
}

// Waits for what takes devices a second or two when the machine has time.
export async function until<T>(what: string, find: () => Promise<T | undefined>): Promise<T> {
  for (let i = 0; i < 600; ++i) {
    const found = await find();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${what}: not within two minutes`);
}

export const cells = ["cell-1", "cell-2", "cell-3"];

export const test = base.extend<
  { wrong: string[] },
  { hub: Hub; trusting: Browser; releaser: Fleet; fleet: Fleet }
>({
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
  // Of the hub's repository, which has voice 1.0.0.
  releaser: [
    async ({ hub }, use) => {
      const fleet = await Fleet.start(hub);
      await fleet.release("1.0.0");
      await use(fleet);
      await fleet.stop();
    },
    { scope: "worker", timeout: 240_000 },
  ],
  // With the devices of `cells`, which run it.
  fleet: [
    async ({ releaser }, use) => {
      await releaser.devices(cells, "1.0.0");
      await use(releaser);
    },
    { scope: "worker", timeout: 240_000 },
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

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// What the rules of WCAG 2.1 A and AA, as far as a program can tell, are broken by.
export async function breaches(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const run = (globalThis as any).axe.run;
    const found = await run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    });
    return found.violations.map(
      (one: any) => `${one.id}: ${one.nodes.map((node: any) => node.html).join(" | ")}`,
    );
  });
}

export async function signIn(page: Page, token: string, where = "/"): Promise<void> {
  await page.goto(where);
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("navigation", { name: "Main navigation" })).toBeVisible();
}

export { expect };
