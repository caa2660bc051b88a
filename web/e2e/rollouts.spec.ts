// Rollouts in the console: asked for, watched, stopped; with devices that run releases and report.
import { breaches, cells, expect, signIn, test, until } from "./hub";

test("what a device reports is shown, as charts and as numbers", async ({ page, hub, fleet }) => {
  test.setTimeout(240_000);
  await until("windows", async () => {
    const { windows } = await hub.ask("GET", "/v1/devices/cell-1/metrics");
    return windows.filter((one: any) => one.stages.length > 0).length >= 3;
  });
  await signIn(page, fleet.people.olga, "/#/fleet");
  await expect(page.getByRole("table", { name: "Versions in use" })).toContainText("voice 1.0.0");
  await page.goto("/#/devices/cell-1");
  const units = page.getByRole("table", { name: "Units" });
  await expect(units).toContainText("voice 1.0.0");
  await expect(units).toContainText("well");
  const chart = page.getByRole("figure", { name: "Latency of each stage, p99" });
  await expect(chart.locator("canvas")).toBeVisible();
  // Something is drawn: the canvas is not of one colour.
  const colours = await chart.locator("canvas").evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    const found = new Set<string>();
    for (let i = 0; i < data.length; i += 4) found.add(data.subarray(i, i + 4).join());
    return found.size;
  });
  expect(colours).toBeGreaterThan(10);
  await chart.getByText("As a table").click();
  const table = chart.getByRole("table", { name: "Latency of each stage, p99" });
  await expect(table.getByRole("columnheader", { name: "infer (ms)" })).toBeVisible();
  expect(await table.getByRole("row").count()).toBeGreaterThan(3);
  expect(await breaches(page)).toEqual([]);
});

test("devices say what they are, and are found by that", async ({ page, fleet }) => {
  await signIn(page, fleet.people.olga, "/#/devices/cell-1");
  const inventory = page.getByRole("region", { name: "Inventory" });
  await expect(inventory).toContainText(/CPUs, .* GiB/);
  await expect(inventory).toContainText("Linux");
  await inventory.getByRole("link", { name: "generic" }).click();
  const rows = page.getByRole("table", { name: "Devices" }).getByRole("row");
  await expect(rows.filter({ hasText: "cell-1" })).toHaveCount(1);
  expect(new URL(page.url()).hash).toBe("#/devices?target=generic");
  await page.getByLabel("Not seen for").selectOption("24 hours");
  await page.getByRole("button", { name: "Search" }).click();
  await expect(page.getByText("No device is such.")).toBeVisible();
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByLabel("Health of a unit").selectOption("well");
  await page.getByLabel("Runs a release").fill("people=0.0.9");
  await page.keyboard.press("Enter");
  await expect(page.getByText("No device is such.")).toBeVisible();
});

test("the form says what the hub says of it, where it belongs, before anything is begun", async ({
  page, hub, fleet,
}) => {
  test.setTimeout(240_000);
  await fleet.publish("9.0.0", "9.1.0", "9.2.0");
  await hub.ask("PUT", "/v1/devices/cell-1/tags", { site: "ams" });
  await signIn(page, fleet.people.olga, "/#/rollouts");
  await page.getByRole("button", { name: "New rollout" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "New rollout" })).toBeFocused();
  const preview = page.getByRole("region", { name: "What it would be" });
  await expect(preview).toContainText("Name a release");
  await page.getByLabel("Model").fill("voice");
  const version = page.getByLabel("Version", { exact: true });
  await version.fill("9.0.10");
  await expect(version).toHaveAccessibleDescription(/not published here; did you mean '9.0.0'/);
  const waits = page.getByLabel("May begin before the release is published");
  await waits.check();
  await expect(preview).toContainText("voice 9.0.10 is not published here");
  await expect(page.getByRole("region", { name: "The same by command" })).toContainText(
    "polder rollout create voice 9.0.10 --unpublished",
  );
  await waits.uncheck();
  await version.fill("9.0.0");
  await expect(preview).toContainText("match: 3. There and well: 3. Running it already: 0.");
  await expect(preview).toContainText(/lasts at least \d+ days/);
  const rows = preview.getByRole("table").getByRole("row");
  await expect(rows).toHaveCount(7);
  await expect(rows.nth(1)).toContainText("shadow on 1 device");
  await expect(rows.nth(6)).toContainText("100%");
  expect(await breaches(page), "usual").toEqual([]);

  const query = page.getByLabel("Devices with tags");
  await query.fill("site=ams");
  await expect(preview).toContainText("match: 1.");
  await query.fill("site");
  await expect(query).toHaveAttribute("aria-invalid", "true");
  await expect(query).toHaveAccessibleDescription(/TAG=VALUE/);
  await query.fill("site=ams");
  const other = page.getByLabel("Other release, for A/B");
  await other.fill("9.0.0");
  await expect(other).toHaveAccessibleDescription(/it is the version/);
  await other.fill("9.1.0");
  await expect(other).not.toHaveAttribute("aria-invalid", "true");

  await page.getByLabel("Own stages").check();
  const shadows = page.getByLabel("Size of stage 1");
  await shadows.fill("2");
  await expect(shadows).toHaveAccessibleDescription(/make it no larger/);
  await shadows.fill("1");
  const size = page.getByLabel("Size of stage 3");
  await size.fill("1");
  await expect(size).toHaveAccessibleDescription(/must be larger/);
  await size.fill("5");
  await expect(size).not.toHaveAttribute("aria-invalid", "true");
  await page.getByRole("button", { name: "Remove stage 5" }).click();
  await page.getByRole("button", { name: "Remove stage 4" }).click();
  await page.getByRole("button", { name: "Add a stage" }).click();
  await page.getByLabel("Size of stage 4").fill("50");
  const third = page.getByRole("listitem", { name: "Stage 3" });
  await third.getByLabel("Stage 3 lasts at least").fill("90");
  await third.getByText("Rules of its gate").click();
  await third.getByLabel("Acceptable ratio").fill("2.5");
  await page.getByLabel("empty frames").uncheck();
  await page.getByLabel("Seconds of a look").fill("20");
  await page.getByLabel("From (optional)").fill("24:00");
  await expect(page.getByLabel("From (optional)")).toHaveAccessibleDescription(/22:00/);
  await page.getByLabel("From (optional)").fill("22:00");
  await page.getByLabel("To (optional)").fill("22:00");
  await expect(page.getByLabel("From (optional)")).toHaveAccessibleDescription(/it is empty/);
  await page.getByLabel("To (optional)").fill("05:00");
  await page.getByLabel("Time zone").fill("Europe/Amsterdm");
  await expect(page.getByLabel("Time zone")).toHaveAccessibleDescription(/'Europe\/Amsterdam'\?/);
  await page.getByLabel("Time zone").fill("Europe/Amsterdam");
  for (const day of ["Sat", "Sun"]) await page.getByLabel(day, { exact: true }).uncheck();
  await page.getByLabel("Not before").fill("2099-01-11 00:00");
  await expect(preview).toContainText("not before 2099-01-11T00:00:00Z");
  await expect(page.getByRole("region", { name: "The same by command" })).toContainText(
    "polder rollout create voice 9.0.0 --other-version 9.1.0 --query site=ams --stages " +
      "'shadow 1, 1, 5 least_minutes=90 margin=2.5, 50%, 100%' " +
      "--measures 'errors, slow frames, frames that differ, slower frames' --look-s 20 " +
      "--window 'mon-fri 22:00-05:00 Europe/Amsterdam' --not-before 2099-01-11T00:00:00Z",
  );
  expect(await breaches(page), "filled in").toEqual([]);
  expect((await hub.ask("GET", "/v1/rollouts?phase=running")).rollouts).toEqual([]);

  await page.getByRole("button", { name: "Start the rollout" }).click();
  const heading = page.getByRole("heading", { level: 1 });
  await expect(heading).toHaveText(/^r\d+: voice 9\.0\.0$/);
  const main = page.getByRole("main");
  await expect(main).toContainText("A/B voice 9.1.0");
  await expect(main).toContainText("changes Mon-Fri between 22:00 and 05:00 Europe/Amsterdam");
  const id = new URL(page.url()).hash.split("/").pop()!;
  const begun = await hub.ask("GET", `/v1/rollouts/${id}`);
  expect(begun).toMatchObject({
    query: "site=ams", other_version: "9.1.0", look_s: 20,
    measures: ["errors", "slow frames", "frames that differ", "slower frames"],
    window: {
      days: ["mon", "tue", "wed", "thu", "fri"], from: "22:00", to: "05:00",
      zone: "Europe/Amsterdam",
    },
    not_before: "2099-01-11T00:00:00Z", created_by: "olga",
  });
  expect(begun.stages[2]).toMatchObject({ least_minutes: 90, margin: 2.5 });

  // What its gate waits for is said in the language of the page, here and in the list.
  await page.getByLabel("Language").selectOption("Nederlands");
  await expect(main).toContainText(/niet voor 1[01] jan 2099/);
  await expect(main).not.toContainText("not before");
  await expect(main).toContainText("beelden die verschillen van 9.0.0");
  await expect(main).toContainText(/begonnen voor 1 apparaat; fase 1 van \d+ \(/);
  await page.goto("/#/rollouts");
  await expect(main.getByRole("row", { name: id })).toContainText(/niet voor 1[01] jan 2099/);
  await page.getByLabel("Taal").selectOption("English");

  // A device is part of one: what is in the way is named.
  await page.goto("/#/rollouts/new?model=voice&version=9.2.0");
  await expect(preview).toContainText(
    `refused until rollout ${id} is over, of which device cell-1 is part`,
  );
  await hub.ask("POST", `/v1/rollouts/${id}/abort`, { reason: "seen" });
});

test("what was filled in is there again after a session has ended", async ({ page, fleet }) => {
  test.setTimeout(120_000);
  await fleet.publish("9.0.0");
  await signIn(page, fleet.people.olga, "/#/rollouts/new");
  const preview = page.getByRole("region", { name: "What it would be" });
  await page.getByLabel("Devices with tags").fill("site=none");
  await page.getByLabel("Also devices whose release").check();
  const problem = { type: "about:blank", title: "Unauthorized", status: 401,
    detail: "the token has expired", code: "denied", request_id: "r1" };
  await page.route("**/v1/rollout-previews", (route) =>
    route.fulfill({ status: 401, contentType: "application/problem+json",
      body: JSON.stringify(problem) }));
  await page.getByLabel("Model").fill("voice");
  await page.getByLabel("Version", { exact: true }).fill("9.0.0");
  await expect(page.getByLabel("Token", { exact: true })).toBeVisible();
  await page.unroute("**/v1/rollout-previews");
  await page.getByLabel("Token", { exact: true }).fill(fleet.people.olga);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByLabel("Model")).toHaveValue("voice");
  await expect(page.getByLabel("Devices with tags")).toHaveValue("site=none");
  await expect(page.getByLabel("Also devices whose release")).toBeChecked();
  await expect(preview).toContainText("match: 0.");
  // A preview of what stood there before is marked until the hub has answered.
  await page.route("**/v1/rollout-previews", async (route) => {
    await new Promise((go) => setTimeout(go, 1_000));
    await route.continue();
  });
  await page.getByLabel("Devices with tags").fill("");
  await expect(preview).toContainText("Asking the hub");
  await expect(preview).toContainText("match: 3.");
  await expect(preview).not.toContainText("Asking the hub");
  // Who goes elsewhere begins anew.
  await page.goto("/#/rollouts");
  await page.getByRole("button", { name: "New rollout" }).click();
  await expect(page.getByLabel("Model")).toHaveValue("");
});

test("a rollout is paused, resumed and aborted, each with its reason on record", async ({
  page, hub, fleet,
}) => {
  test.setTimeout(240_000);
  await fleet.publish("9.0.0");
  const { id } = await fleet.rollOut("9.0.0", { query: "site=none" });
  await signIn(page, fleet.people.olga, `/#/rollouts/${id}`);
  const title = page.getByRole("heading", { level: 1, name: `${id}: voice 9.0.0` });
  await expect(title).toBeVisible();
  const main = page.getByRole("main");
  await expect(main.locator("time").first()).toHaveAttribute("title", /20\d\d, \d\d:\d\d UTC$/);
  const dialog = page.getByRole("dialog");
  await expect(main.getByRole("list", { name: "Stages" }).getByRole("listitem").first())
    .toHaveAttribute("aria-current", "step");
  await expect(main).toContainText("no device of the query has the model and can run it");

  await page.getByRole("button", { name: "Pause" }).click();
  await dialog.getByRole("button", { name: "Pause" }).click();
  await expect(dialog).toContainText("A reason is needed");
  await dialog.getByLabel("Reason").fill("the line is being cleaned");
  await dialog.getByRole("button", { name: "Pause" }).click();
  await expect(main).toContainText("paused");
  expect((await hub.ask("GET", `/v1/rollouts/${id}`)).reason).toContain("line is being cleaned");
  await page.getByRole("button", { name: "Resume" }).click();
  await dialog.getByRole("button", { name: "Resume" }).click();
  await expect(page.getByRole("button", { name: "Pause" })).toBeVisible();
  await page.getByRole("button", { name: "Abort" }).click();
  await dialog.getByLabel("Reason").fill("not now");
  await dialog.getByRole("button", { name: "Abort" }).click();
  await expect(main).toContainText("stopped here");
  await expect(page.getByRole("button", { name: "Pause" })).toHaveCount(0);
  await expect(page.getByRole("table", { name: "History" })).toContainText("olga");
  // It waits for nothing any more, and what devices run is said to be so now.
  await expect(page.getByRole("region", { name: "What the gate saw last" })).toBeVisible();
  await expect(main).not.toContainText("no device of the query has the model and can run it");
  await expect(main.getByText("run it now")).toBeVisible();
  await expect(main.getByText("are to run it")).toHaveCount(0);
  const ended = await hub.ask("GET", `/v1/rollouts/${id}`);
  expect([ended.phase, ended.reason]).toEqual(["aborted", expect.stringContaining("not now")]);

  await page.goto("/#/rollouts?phase=aborted");
  await page.getByRole("link", { name: id }).click();
  await expect(title).toBeVisible();
});

test("what nobody has counted is not known, who is silent is named, one look has a time", async ({
  page, hub, fleet,
}) => {
  test.setTimeout(240_000);
  const { id } = await fleet.rollOut("1.0.0", { query: "site=none" });
  const nothing = {
    name: "frames that differ", ratio: 1, low: 0, high: 0, worse: 1, acceptable: 1,
    than: "allowed", canary_trials: 0, control_trials: 0,
  };
  await page.route(`**/v1/rollouts/${id}`, async (route) => {
    const rollout = await hub.ask("GET", `/v1/rollouts/${id}`);
    rollout.gate = { ...rollout.gate, measures: [nothing] };
    rollout.silent = [{ device: "cell-1", seen: "2026-11-28T04:05:00Z" }];
    await route.fulfill({ json: rollout });
  });
  await page.route(`**/v1/rollouts/${id}/looks*`, (route) =>
    route.fulfill({
      json: { looks: [{ time: "2026-11-28T04:05:00Z", stage: 0, measures: [nothing] }] },
    }));
  await signIn(page, fleet.people.olga, `/#/rollouts/${id}`);
  const evidence = page.getByRole("table", { name: "Evidence" });
  const row = evidence.getByRole("row", { name: /frames that differ/ });
  await expect(row).toContainText("not known yet");
  await expect(row.locator("svg")).toHaveCount(0);
  await expect(page.getByRole("figure", { name: "Worse" }).locator("canvas")).toBeVisible();
  const silent = page.getByRole("link", { name: /Waits for cell-1, last seen .*2026/ });
  await expect(silent).toHaveAttribute("href", "#/devices/cell-1");
  await hub.ask("POST", `/v1/rollouts/${id}/abort`, { reason: "seen" });
});

test("a rollout is watched: the gate's evidence, live, to its end", async ({ page, fleet }) => {
  test.setTimeout(420_000);
  await fleet.release("1.1.0");
  const { id } = await fleet.rollOut("1.1.0", {
    stages: [{ devices: 1, least_minutes: 0, errors_an_hour: 600, margin: 4 },
      { percent: 100, least_minutes: 0 }],
    measures: ["errors"], look_s: 3, history_looks: 4,
  });
  await signIn(page, fleet.people.olga, `/#/rollouts/${id}`);
  const main = page.getByRole("main");
  await expect(main).toContainText("watches the old release first");
  const stages = main.getByRole("list", { name: "Stages" }).getByRole("listitem");
  await expect(stages.first()).toHaveAttribute("aria-current", "step");

  const evidence = page.getByRole("table", { name: "Evidence" });
  const errors = evidence.getByRole("row", { name: /errors/ });
  await expect(errors).toBeVisible({ timeout: 120_000 });
  // Nobody fails: how often is not known, that it is acceptable becomes more and more certain.
  await expect(errors).toContainText("not known yet");
  await expect(errors).toContainText(/[1-9][\d,]* new, [1-9][\d,]* old/, { timeout: 60_000 });
  await expect(errors).toContainText(/([2-9]|1\d)(\.\d+)? \/ 20/, { timeout: 60_000 });
  const chart = page.getByRole("figure", { name: "Worse" });
  await expect(chart.locator("canvas")).toBeVisible({ timeout: 60_000 });
  expect(await breaches(page), "a rollout").toEqual([]);

  // Nobody touches the page from here on.
  await expect(stages.last()).toHaveAttribute("aria-current", "step", { timeout: 180_000 });
  await expect(stages.first()).toContainText("passed");
  await expect(main.getByText("done", { exact: true }).first()).toBeVisible({ timeout: 120_000 });
  const devices = page.getByRole("table", { name: "Devices of this rollout" });
  await expect(devices.getByRole("columnheader", { name: "Runs now" })).toBeVisible();
  for (const cell of cells)
    await expect(devices.getByRole("row", { name: cell })).toContainText("the new release 1.1.0");
  await fleet.run(cells, "1.1.0");
  await expect(page.getByRole("table", { name: "History" })).toContainText("stage 2 of 2");
});

test("a release that crashes is taken back, and the page says why", async ({
  page, hub, fleet,
}) => {
  test.setTimeout(420_000);
  await fleet.release("1.2.0", { broken: true });
  const { id } = await fleet.rollOut("1.2.0", {
    stages: [{ devices: 1, least_minutes: 0 }, { percent: 100, least_minutes: 0 }],
    measures: ["errors"], look_s: 3, history_looks: 1,
  });
  await signIn(page, fleet.people.olga, `/#/rollouts/${id}`);
  const main = page.getByRole("main");
  await expect(main).toContainText("stopped here", { timeout: 240_000 });
  await expect(main.getByRole("alert").first()).toContainText(/crash|rolled back/);
  const ended = await hub.ask("GET", `/v1/rollouts/${id}`);
  expect([ended.phase, ended.devices.failed]).toEqual(["aborted", 1]);
  const { devices } = await hub.ask("GET", `/v1/rollouts/${id}/devices`);
  const failed = devices.find((one: any) => one.failure);
  await fleet.run([failed.device], failed.old_version);
  // Who comes in the morning sees it first.
  await page.goto("/#/fleet");
  const today = page.getByRole("region", { name: /^Rollouts under way/ });
  await expect(today.getByRole("listitem").filter({ hasText: id })).toContainText("aborted");
  await expect(today.getByRole("listitem").filter({ hasText: id }))
    .toContainText(/crash|rolled back/);
  await page.goto(`/#/devices/${failed.device}`);
  await expect(page.getByRole("table", { name: "Alarms" })).toContainText("rolled back");
});
