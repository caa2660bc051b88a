// What people do in the console, in a real browser against a real hub.
import { breaches, expect, signIn, test } from "./hub";

const places = ["fleet", "devices", "devices/camera-1", "enrolment", "models", "models/none",
  "releases", "releases/none/1.0.0", "approvals", "rollouts", "rollouts/r1", "rollouts/none",
  "rollouts/new", "repository", "audit", "people", "nowhere"];

test.beforeAll(async ({ hub }) => {
  for (const name of ["camera-1", "camera-2", "camera-3"]) await hub.enrol(name);
});

test("a wrong token is told so, a right one lets in, and neither outlives the tab", async ({
  page, hub, trusting,
}) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  const field = page.getByLabel("Token", { exact: true });
  await expect(field).toBeFocused();
  await field.fill("secret");
  await page.keyboard.press("Enter");
  await expect(page.getByText("A token begins with polder-person-.")).toBeVisible();
  await field.fill(hub.admin.replace(/.$/, (last) => (last === "0" ? "1" : "0")));
  await page.keyboard.press("Enter");
  await expect(page.getByText("The hub does not know this token")).toBeVisible();
  await expect(field).toHaveAttribute("aria-invalid", "true");

  await field.fill(hub.admin);
  await page.keyboard.press("Enter");
  const navigation = page.getByRole("navigation", { name: "Main navigation" });
  await expect(navigation).toContainText("admin");
  await page.reload();
  await expect(navigation).toBeVisible();
  const kept = await page.evaluate(() => ({
    session: Object.keys(sessionStorage),
    local: JSON.stringify(localStorage),
    cookie: document.cookie,
  }));
  expect(kept.session).toEqual(["polder.session"]);
  expect(kept.local).not.toContain("polder-person");
  expect(kept.cookie).toBe("");
  const context = await trusting.newContext({ baseURL: hub.url });
  const other = await context.newPage();
  await other.goto("/");
  await expect(other.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await context.close();

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
});

test("devices are listed, found by name, and revoked when that is confirmed", async ({
  page, hub,
}) => {
  await hub.enrol("camera-old");
  await signIn(page, hub.admin, "/#/devices");
  const table = page.getByRole("table", { name: "Devices" });
  for (const name of ["camera-1", "camera-2", "camera-3", "camera-old"])
    await expect(table.getByRole("row", { name })).toContainText("enrolled");

  await page.getByLabel("Open one by name").fill("camera-old");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "camera-old", level: 1 })).toBeFocused();
  const revoke = page.getByRole("button", { name: "Revoke", exact: true });
  await revoke.click();
  const dialog = page.getByRole("dialog", { name: "Revoke camera-old?" });
  await expect(dialog).toContainText("All its certificates hold no longer");
  // Escape asks for nothing, and the focus is back where it came from.
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await expect(revoke).toBeFocused();
  expect((await hub.ask("GET", "/v1/devices/camera-old")).revoked).toBeNull();

  await revoke.click();
  await dialog.getByRole("button", { name: "Revoke the device" }).click();
  await expect(page.getByText("camera-old is revoked.")).toBeVisible();
  await expect(revoke).toBeDisabled();
  expect((await hub.ask("GET", "/v1/devices/camera-old")).revoked).not.toBeNull();

  await page.goto("/#/devices/camera-9");
  await expect(page.getByRole("alert")).toContainText("there is no device of this name");
});

test("an enrolment token is shown once, and a device enrols by it", async ({ page, hub }) => {
  await signIn(page, hub.admin, "/#/enrolment");
  await page.getByLabel("Only for the device").fill("camera-new");
  await page.getByLabel("Holds for").selectOption("1 hour");
  await page.getByRole("button", { name: "Make a token" }).click();
  const made = page.getByRole("region", { name: "The token" });
  const token = (await made.locator("pre").first().textContent())!.trim();
  expect(token).toMatch(/^polder-enrol-/);
  for (const line of ['device = "camera-new"', "models = [", "root = ", `url = "${hub.url}"`])
    await expect(made.locator("pre").last()).toContainText(line);
  await made.getByRole("button", { name: "Copy" }).first().click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(token);
  await hub.enrol("camera-new", token);
  await page.goto("/#/devices/camera-new");
  await expect(page.getByRole("main")).toContainText("enrolled");
  await page.goto("/#/enrolment");
  await expect(page.locator("pre")).toHaveCount(0);
  // Of each token it is seen who used it; one that nobody has is taken back.
  const tokens = page.getByRole("group", { name: "Tokens for devices" });
  await expect(tokens.getByRole("row", { name: "camera-new" })).toContainText(
    "used by camera-new",
  );
  await page.getByLabel("Only for the device").fill("camera-lost");
  await page.getByRole("button", { name: "Make a token" }).click();
  await tokens.getByRole("button", { name: "Revoke the token of camera-lost" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke the token" }).click();
  await expect(tokens.getByRole("row", { name: "camera-lost" })).toContainText("revoked");
});

test("who has a role sees what it may not do, and a revoked token ends the session", async ({
  page, hub,
}) => {
  const viewer = await hub.token("vera", "viewer");
  await signIn(page, viewer, "/#/devices/camera-1");
  const revoke = page.getByRole("button", { name: "Revoke", exact: true });
  await expect(revoke).toBeDisabled();
  await expect(revoke).toHaveAttribute("title", "This takes the role operator; yours is viewer.");
  await page.goto("/#/people");
  await expect(page.getByRole("alert")).toContainText("vera has the role viewer; this needs admin");
  const all = await hub.ask("GET", "/v1/tokens");
  const id = all.tokens.find((one: { name: string }) => one.name === "vera").id;
  await hub.ask("POST", `/v1/tokens/${id}/revoke`);
  await page.goto("/#/devices");
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(page.getByRole("status")).toContainText("Your session has ended");
});

test("an admin makes and revokes the token of a person", async ({ page, hub }) => {
  await signIn(page, hub.admin, "/#/people");
  await page.getByLabel("Name").fill("piet");
  await page.getByLabel("Role").selectOption("operator");
  await page.getByRole("button", { name: "Make the token" }).click();
  const token = (await page.locator("pre").textContent())!.trim();
  expect(await hub.ask("GET", "/v1/me", undefined, token)).toEqual({
    name: "piet", role: "operator",
  });
  await page.getByRole("button", { name: "Revoke the token of piet" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke the token" }).click();
  const state = page.getByRole("row", { name: "piet" }).getByText("revoked", { exact: true });
  await expect(state).toBeVisible();
  await expect(hub.ask("GET", "/v1/me", undefined, token)).rejects.toThrow("401");
});

test("tags are edited, and devices found by them", async ({ page, hub }) => {
  await signIn(page, hub.admin, "/#/devices/camera-2");
  await page.getByRole("button", { name: "Edit tags" }).click();
  const dialog = page.getByRole("dialog", { name: "Edit tags" });
  await dialog.getByLabel("Tags").fill("site=ams\nline");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toContainText("Line 2: name=value expected");
  await dialog.getByLabel("Tags").fill("site=ams\nline=3");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole("region", { name: "Tags" })).toContainText("site=ams");
  expect((await hub.ask("GET", "/v1/devices/camera-2")).tags).toEqual({ site: "ams", line: "3" });

  await page.goto("/#/devices");
  await page.getByLabel("Search by tags").fill("site=ams,line=3");
  await page.keyboard.press("Enter");
  const rows = page.getByRole("table", { name: "Devices" }).getByRole("row");
  await expect(rows).toHaveCount(2);
  await expect(rows.last()).toContainText("camera-2");
  expect(new URL(page.url()).hash).toBe("#/devices?query=site%3Dams%2Cline%3D3");

  await page.getByLabel("Name of this search").fill("hall");
  await page.getByRole("button", { name: "Save as a group" }).click();
  const group = page.getByRole("region", { name: "Groups" }).getByRole("link", { name: "hall" });
  await expect(group).toHaveText("hall 1");
  expect((await hub.ask("GET", "/v1/groups/hall")).query).toBe("line=3,site=ams");
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(rows).not.toHaveCount(2);
  await group.click();
  await expect(rows).toHaveCount(2);
  await page.getByRole("button", { name: "Remove the group hall" }).click();
  await expect(group).toBeHidden();

  await page.getByLabel("Search by tags").fill("site=rtm");
  await page.getByRole("button", { name: "Search" }).click();
  await expect(page.getByText("No device is such.")).toBeVisible();
  await page.getByLabel("Search by tags").fill("site");
  await page.getByRole("button", { name: "Search" }).click();
  await expect(page.getByRole("alert")).toContainText("site=ams");
  await page.getByRole("link", { name: "Clear" }).click();
  await expect(page.getByRole("link", { name: "camera-1" })).toBeVisible();
});

test("an entry of the audit log is proven, and a hub that lies is found out", async ({
  page, hub,
}) => {
  await hub.enrol("camera-proven");
  await hub.ask("POST", "/v1/devices/camera-proven/revoke");
  await signIn(page, hub.admin, "/#/audit");
  await page.getByLabel("What").fill("camera-proven");
  await page.getByRole("button", { name: "Show" }).click();
  const row = page.getByRole("row", { name: /device_revoked/ });
  await expect(row).toHaveCount(1);
  const check = row.getByRole("button", { name: /Check the proof of entry/ });
  const dialog = page.getByRole("dialog", { name: /Proof of entry/ });
  const close = dialog.getByRole("button", { name: "Close" });
  await check.click();
  await expect(dialog.getByText("The entry is in the log that the hub has signed.")).toBeVisible();
  await expect(dialog).toContainText("sees the key for the first time");
  await dialog.getByRole("button", { name: "Keep this key" }).click();
  await expect(dialog).toContainText("It is the key that you keep in this browser.");
  await close.click();

  // Another entry in the place of this one; a proof with another hash.
  const changes: [string, (proof: any) => void, string][] = [
    ["an entry", (proof) => (proof.entry = proof.entry.replace("revoked", "renewed")),
      "the proof is of another entry"],
    ["a hash", (proof) => (proof.hashes[0] = Buffer.alloc(32).toString("base64")),
      "do not give the root that was signed"],
    ["the checkpoint", (proof) => (proof.checkpoint = proof.checkpoint.replace("polder", "p0lder")),
      "no signature of"],
  ];
  for (const [name, change, why] of changes) {
    await page.route("**/v1/audit/*/proof", async (route) => {
      const proof = await hub.ask("GET", new URL(route.request().url()).pathname);
      change(proof);
      await route.fulfill({ json: proof });
    });
    await check.click();
    await expect(dialog.getByRole("alert"), name).toContainText(why);
    await page.unroute("**/v1/audit/*/proof");
    await close.click();
  }
  await page.evaluate(() => localStorage.setItem("polder.audit-key", "0".repeat(64)));
  await check.click();
  await expect(dialog.getByRole("alert")).toContainText("This is not the key that you keep");
});

test("by keys alone: sign in, skip to the content, open a device, revoke it", async ({
  page, hub,
}) => {
  await hub.enrol("camera-keys");
  const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
  // Tab comes past everything: it goes around once at most.
  const tabTo = async (text: string) => {
    for (let i = 0; i < 80; ++i) {
      await page.keyboard.press("Tab");
      if ((await focused()) === text) return;
    }
    throw new Error(`Tab does not come to '${text}'`);
  };
  await page.goto("/");
  await expect(page.getByLabel("Token", { exact: true })).toBeFocused();
  await page.keyboard.type(hub.admin);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Fleet" })).toBeFocused();
  await page.reload();
  await expect(page.getByRole("heading", { level: 1, name: "Fleet" })).toBeVisible();
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to the content");
  await page.keyboard.press("Enter");
  await expect(page.locator("#content")).toBeFocused();
  expect(new URL(page.url()).hash).not.toContain("content");
  await tabTo("Devices");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "Devices" })).toBeFocused();
  await expect(page.getByRole("link", { name: "camera-keys" })).toBeVisible();
  await tabTo("camera-keys");
  // What has the focus shows it.
  expect(await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)).toBe(
    "solid",
  );
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { level: 1, name: "camera-keys" })).toBeFocused();
  await expect(page.getByRole("button", { name: "Revoke", exact: true })).toBeEnabled();
  await tabTo("Revoke");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toBeVisible();
  // The focus stays in the dialog.
  for (let i = 0; i < 6; ++i) {
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() =>
      document.activeElement === document.body || !!document.activeElement!.closest("dialog"),
    )).toBe(true);
  }
  await tabTo("Revoke the device");
  await page.keyboard.press("Enter");
  await expect(page.getByText("camera-keys is revoked.")).toBeVisible();
});

test("light and dark: as the system, or as chosen", async ({ page, hub }) => {
  await page.emulateMedia({ colorScheme: "dark" });
  await signIn(page, hub.admin);
  const ground = () =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  expect(await ground()).toBe("rgb(14, 20, 24)");
  await page.getByLabel("Theme").selectOption("Light");
  expect(await ground()).toBe("rgb(243, 245, 246)");
  await page.reload();
  expect(await ground()).toBe("rgb(243, 245, 246)");
  await page.getByLabel("Theme").selectOption("As the system");
  expect(await ground()).toBe("rgb(14, 20, 24)");
  await page.emulateMedia({ colorScheme: "light" });
  await expect.poll(ground).toBe("rgb(243, 245, 246)");
});

test("in Dutch", async ({ page, hub }) => {
  await signIn(page, hub.admin, "/#/devices");
  await page.getByLabel("Language").selectOption("Nederlands");
  await expect(page.getByRole("heading", { level: 1, name: "Apparaten" })).toBeVisible();
  await expect(page.locator("html")).toHaveAttribute("lang", "nl");
  await expect(page).toHaveTitle("Apparaten · Polder");
  await page.getByRole("link", { name: "camera-1" }).click();
  await page.getByRole("button", { name: "Intrekken" }).click();
  await expect(page.getByRole("dialog", { name: "camera-1 intrekken?" })).toBeVisible();
  await page.getByRole("button", { name: "Annuleren" }).click();
  await page.reload();
  await expect(page.getByRole("navigation", { name: "Hoofdnavigatie" })).toBeVisible();
});

test("every page is there, or says which address this hub has not", async ({ page, hub }) => {
  await signIn(page, hub.admin);
  const paths: string[] = Object.keys((await hub.ask("GET", "/openapi.json")).paths);
  const needs: Record<string, string> = {
    fleet: "/v1/fleet", models: "/v1/models", releases: "/v1/releases",
    approvals: "/v1/approvals", rollouts: "/v1/rollouts", audit: "/v1/audit",
    repository: "/v1/repository",
  };
  for (const [place, path] of Object.entries(needs)) {
    await page.goto(`/#/${place}`);
    await expect(page.getByText("Loading")).toHaveCount(0);
    const text = `This hub does not have GET ${path}.`;
    await expect(page.getByText(text)).toHaveCount(paths.includes(path) ? 0 : 1);
  }
});

test("breaks no rule of accessibility, in light, in dark, on a small screen", async ({
  page, hub,
}) => {
  test.setTimeout(180_000);
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  expect(await breaches(page)).toEqual([]);
  await signIn(page, hub.admin);
  for (const theme of ["Light", "Dark"]) {
    await page.getByLabel("Theme").selectOption(theme);
    for (const place of places) {
      await page.goto(`/#/${place}`);
      await expect(page.getByText("Loading")).toHaveCount(0);
      expect(await breaches(page), `${place}, ${theme}`).toEqual([]);
    }
  }
  await page.goto("/#/devices/camera-1");
  await page.getByRole("button", { name: "Revoke", exact: true }).click();
  expect(await breaches(page), "a dialog").toEqual([]);
  await page.keyboard.press("Escape");

  await page.setViewportSize({ width: 360, height: 720 });
  for (const place of ["fleet", "devices", "devices/camera-1", "rollouts/new", "repository",
    "people"]) {
    await page.goto(`/#/${place}`);
    await expect(page.getByText("Loading")).toHaveCount(0);
    expect(await breaches(page), `${place}, small`).toEqual([]);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide, `${place} is as wide as the screen`).toBeLessThanOrEqual(360);
  }
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("link", { name: "Devices" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Devices" })).toBeVisible();
});

test("what the hub allows a page is strict", async ({ page, hub, wrong }) => {
  const response = await page.goto("/");
  const policy = response!.headers()["content-security-policy"]!;
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain("unsafe");
  // What somebody brings into the page does not run, and text does not become HTML.
  const refused = await page.evaluate(() => {
    const script = document.createElement("script");
    const tries = [
      () => (script.textContent = "globalThis.broughtIn = true"),
      () => (document.body.innerHTML = "<img src=x onerror='globalThis.broughtIn = true'>"),
      () => document.body.setAttribute("onclick", "globalThis.broughtIn = true"),
    ];
    let count = 0;
    for (const one of tries)
      try {
        one();
      } catch {
        count += 1;
      }
    document.body.append(script);
    document.body.click();
    return [count, "broughtIn" in globalThis];
  });
  expect(refused).toEqual([3, false]);
  expect(wrong.splice(0).join()).toContain("TrustedScript");
  expect(hub.url).toMatch(/^https:/);
});
