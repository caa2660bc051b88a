// A release from who pushes it to who approves it, and what the console shows of it on the way.
import { breaches, expect, signIn, test } from "./hub";

test("a release is pushed, seen, approved by another person, and published", async ({
  page, hub, releaser,
}) => {
  test.setTimeout(240_000);
  const main = page.getByRole("main");
  const waits = await releaser.push("1.0.1");

  // Who asked for it cannot approve it.
  await signIn(page, releaser.people.anna, "/#/approvals");
  const row = page.getByRole("row", { name: /voice 1\.0\.1/ });
  await expect(row).toContainText("publication");
  await expect(row).toContainText("You asked for it");
  // All that it changes is there for her all the same.
  await row.getByRole("link", { name: waits }).click();
  await expect(page.getByRole("heading", { level: 1, name: `Publication ${waits}` })).toBeFocused();
  const changes = page.getByRole("region", { name: "What changes, against what is published" });
  await expect(main).toContainText("adds voice 1.0.1");
  await expect(main).toContainText("You asked for it");
  await expect(page.getByRole("button", { name: /Approve/ })).toHaveCount(0);
  await expect(changes.getByRole("listitem").filter({ hasText: "adds" })).toContainText(
    "voice 1.0.1",
  );
  const files = changes.getByRole("table", { name: "Files that devices find" });
  await expect(files).toContainText("+ voice/1.0.1/manifest.json");
  const targets = changes.getByRole("table", { name: "Roles" }).getByRole("row", {
    name: /^targets /,
  });
  await expect(targets).toContainText(/version \d+ until/);
  const { details } = await hub.ask("GET", `/v1/approvals/${waits}`);
  await expect(page.getByRole("region", { name: "Signed by" })).toContainText(
    details.signatures.find((one: any) => one.role === "targets").key,
  );
  await expect(main).not.toContainText("sha256");
  expect(await breaches(page), "an approval, for who asked").toEqual([]);
  await page.goto("/#/releases/voice/1.0.1");
  await expect(main).toContainText("waiting");
  await expect(page.getByRole("link", { name: "Roll out" })).toHaveCount(0);
  await page.goto("/#/repository");
  const coming = page.getByRole("region", { name: "On its way" });
  await expect(coming).toContainText("voice 1.0.1");
  await expect(coming).toContainText("waits for approval");
  await expect(page.getByRole("region", { name: "Published models" })).not.toContainText("1.0.1");
  await page.getByRole("button", { name: "Sign out" }).click();

  await signIn(page, releaser.people.ben, "/#/approvals");
  await page.getByRole("button", { name: /Approve: .*voice 1\.0\.1/ }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("heading", { name: "Approve this publication?" })).toBeVisible();
  await expect(dialog).toContainText("adds voice 1.0.1");
  await expect(dialog).toContainText("Asked by anna");
  // What it changes is all there for who decides.
  await expect(dialog.getByRole("region", { name: "Details" })).toContainText(
    "+ voice/1.0.1/manifest.json",
  );
  expect(await breaches(page), "an approval").toEqual([]);
  await dialog.getByRole("button", { name: "Approve" }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByText("Nothing waits.")).toBeVisible();
  await page.getByRole("link", { name: "approved" }).click();
  await expect(page.getByRole("row", { name: /voice 1\.0\.1/ })).toContainText("ben");
  await page.getByRole("link", { name: waits }).click();
  await expect(page.getByRole("region", { name: "Who asked, who decided" })).toContainText("ben");
  await expect(
    page.getByRole("region", { name: "What changes, against what was published then" }),
  ).toContainText("voice 1.0.1");
  await releaser.pull();

  await page.goto("/#/releases");
  await expect(page.getByRole("row", { name: /voice 1\.0\.1/ })).toContainText("published");
  await page.getByRole("link", { name: "voice 1.0.1" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "voice 1.0.1" })).toBeVisible();
  const shown = await hub.ask("GET", "/v1/releases/voice/1.0.1");
  await expect(main).toContainText("by anna");
  await expect(main).toContainText("ben");
  await expect(main).toContainText("Apache-2.0");
  await expect(page.getByRole("table", { name: "Signatures" })).toContainText(
    shown.signatures[0].key,
  );
  await expect(page.getByRole("table", { name: "Artifacts" })).toContainText("generic");
  await expect(page.getByRole("region", { name: "Model card" })).toContainText(
    "Tells speech from other sounds.",
  );
  const lineage = page.getByRole("region", { name: "Lineage" });
  await expect(lineage).toContainText("hall-2026");
  await expect(lineage).toContainText("1.0.0");
  expect(await breaches(page), "a release").toEqual([]);

  // From a release to its rollout.
  await page.getByRole("link", { name: "Roll out" }).click();
  await expect(page.getByLabel("Version")).toHaveValue("1.0.1");
  await expect(page.getByRole("button", { name: "Start the rollout" })).toBeEnabled();

  await page.goto("/#/models/voice");
  await expect(page.getByRole("table", { name: "Versions" })).toContainText("1.0.1");
  await expect(page.getByRole("region", { name: "Lineage" }).getByRole("listitem").first())
    .toContainText(/1\.0\.1.*Made from.*voice 1\.0\.0.*hall-2026/s);
  await page.getByRole("button", { name: "Set an alias" }).click();
  await page.getByRole("dialog").getByLabel("Version").selectOption("1.0.1");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Done; champion waits")).toBeVisible();
  const waiting = async () =>
    (await hub.ask("GET", "/v1/approvals?state=open")).approvals;
  // Who asked for it takes it back, and asks again.
  await page.goto("/#/approvals");
  await page.getByRole("button", { name: /^Take back: makes voice 1\.0\.1/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take back" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect(await waiting()).toEqual([]);
  await page.goto("/#/models/voice");
  await page.getByRole("button", { name: "Set an alias" }).click();
  await page.getByRole("dialog").getByLabel("Version").selectOption("1.0.1");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Done; champion waits")).toBeVisible();
  const approvals = await waiting();
  expect(approvals[0]).toMatchObject({ kind: "alias", asked_by: "ben" });
  await hub.ask("POST", `/v1/approvals/${approvals[0].id}/approve`, undefined,
    releaser.people.anna);
  await page.reload();
  await expect(page.getByRole("row", { name: /1\.0\.1/ })).toContainText("champion");
  expect(await breaches(page), "a model").toEqual([]);
});

test("the repository shows its roles, who signs them, and what expires", async ({
  page, hub, releaser,
}) => {
  await signIn(page, releaser.people.anna, "/#/repository");
  const roles = page.getByRole("table", { name: "Roles" });
  const { roles: all, online_key: key } = await hub.ask("GET", "/v1/repository");
  expect(all.map((one: any) => one.role).sort()).toEqual(
    ["assignments", "root", "snapshot", "targets", "timestamp"],
  );
  for (const one of all) {
    const row = roles.getByRole("row", { name: new RegExp(`^${one.role} `) });
    await expect(row).toContainText(one.online ? "the hub, online" : "people, 1 of 1 keys");
    await expect(row).toContainText("valid");
  }
  await expect(page.getByRole("region", { name: "The hub's online key" })).toContainText(
    key.split("\n")[1],
  );
  await expect(page.getByRole("region", { name: "Published models" })).toContainText("voice");

  // Of what is about to expire the fleet's page tells too.
  await page.route("**/v1/repository", async (route) => {
    const repository = await hub.ask("GET", "/v1/repository");
    const [soon, over] = ["targets", "root"].map((role, i) => ({
      role, expires: i === 0 ? "2099-01-01T00:00:00Z" : "2020-01-01T00:00:00Z", expired: i === 1,
      renewal: `polder repo renew REPO ${role}`,
    }));
    await route.fulfill({ json: { ...repository, warnings: [soon, over] } });
  });
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("polder repo renew REPO root");
  await expect(roles.getByRole("row", { name: /^targets / })).toContainText("expires soon");
  await expect(roles.getByRole("row", { name: /^root / })).toContainText("expired");
  expect(await breaches(page), "with warnings").toEqual([]);
  await page.goto("/#/fleet");
  await expect(page.getByRole("alert")).toContainText("targets, root");
  await page.getByRole("alert").getByRole("link", { name: "Repository" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Repository" })).toBeVisible();
});
