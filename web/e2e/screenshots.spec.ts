// The pictures of docs/guide/console.md: `scripts/console --screenshots`.
import type { Page } from "@playwright/test";
import { expect, Fleet, signIn, test, until } from "./hub";

const folder = "../docs/guide/images";

test.use({ viewport: { width: 1040, height: 640 } });

async function picture(page: Page, name: string): Promise<void> {
  await expect(page.getByText("Loading")).toHaveCount(0);
  await page.mouse.move(0, 0);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.screenshot({ path: `${folder}/console-${name}.png`, animations: "disabled" });
}

test("@screenshots the pictures of the guide", async ({ page, hub }) => {
  test.setTimeout(240_000);
  const names = ["camera-1", "camera-2", "camera-3", "camera-4", "camera-5"];
  const fleet = await Fleet.start(hub, names);
  for (const [i, name] of names.entries())
    await until(name, async () => {
      const all = (await hub.ask("GET", "/v1/devices")).devices as { id: string; units: any[] }[];
      const found = all.find((one) => one.id === name);
      if (!found?.units.some((unit) => unit.health === "well" && unit.frames > 0)) return undefined;
      await hub.ask("PUT", `/v1/devices/${name}/tags`, {
        site: i < 3 ? "ams" : "rtm", line: String(i + 1),
      });
      return true;
    });
  hub.letAssign();
  const anna = await hub.token("anna", "operator");
  const order = { model: "voice", version: "1.2.0", query: "site=ams" };
  const rollout = await hub.ask("POST", "/v1/rollouts", order, anna);
  await page.waitForTimeout(45_000); // something to draw
  fleet.releaseBad("1.1.0");
  await until("all that went back", async () => {
    const { alarms, by_version: versions, by_health: health } = await hub.ask("GET", "/v1/fleet");
    return (
      alarms.some((one: any) => one.what === "rolled_back") &&
      versions.length === 1 && versions[0].version === "1.0.0" && health.well === names.length
    );
  });

  await signIn(page, hub.admin, "/#/fleet");
  await expect(page.getByText("rolled back").first()).toBeVisible();
  await picture(page, "fleet");
  await page.goto("/#/devices/camera-2");
  await expect(page.locator("canvas").first()).toBeVisible();
  await page.setViewportSize({ width: 1040, height: 960 });
  await picture(page, "device");
  await page.setViewportSize({ width: 1040, height: 640 });
  await page.goto(`/#/rollouts/${rollout.id}`);
  await picture(page, "rollout");

  await page.getByLabel("Theme").selectOption("Dark");
  await page.goto("/#/audit");
  await page.getByRole("button", { name: /Check the proof/ }).nth(1).click();
  await page.getByRole("button", { name: "Keep this key" }).click();
  await picture(page, "proof");
  await page.keyboard.press("Escape");
  await page.getByLabel("Language").selectOption("Nederlands");
  await page.goto("/#/devices");
  await expect(page.getByRole("link", { name: "camera-5" })).toBeVisible();
  await picture(page, "dutch");
  await fleet.stop();
});
