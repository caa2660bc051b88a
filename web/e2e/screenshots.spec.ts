// The pictures of docs/guide/console.md: `scripts/console --screenshots`. POLDER_PICTURES: a folder
// for pictures of each page, in light and dark, in English and Dutch, for who looks at all of them.
import type { Page } from "@playwright/test";
import { expect, signIn, test, until } from "./hub";

const folder = "../docs/guide/images";
const everything = process.env["POLDER_PICTURES"];

test.use({ viewport: { width: 1040, height: 640 } });

async function settle(page: Page): Promise<void> {
  await expect(page.getByText(/^(Loading|Laden)/)).toHaveCount(0);
  await page.mouse.move(0, 0);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
}

async function picture(page: Page, name: string, height = 640, width = 1040): Promise<void> {
  await page.setViewportSize({ width, height });
  await settle(page);
  await page.screenshot({ path: `${folder}/console-${name}.png`, animations: "disabled" });
}

async function all(page: Page, places: string[]): Promise<void> {
  const ways = ["light", "dark"].flatMap((theme) => ["en", "nl"].map((one) => [theme, one]));
  for (const [theme, language] of ways) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.locator("nav select").first().selectOption(theme!);
    await page.locator("nav select").last().selectOption(language!);
    for (const place of places) {
      await page.goto(`/#/${place}`);
      await page.waitForTimeout(1_500);
      await settle(page);
      const name = place.replace(/[^\w.]+/g, "-");
      const path = `${everything}/${name}-${theme}-${language}.png`;
      await page.screenshot({ path, fullPage: true, animations: "disabled" });
    }
  }
  await page.locator("nav select").first().selectOption("light");
  await page.locator("nav select").last().selectOption("en");
}

test("@screenshots the pictures of the guide", async ({ page, hub, releaser }) => {
  test.setTimeout(900_000);
  const names = ["camera-1", "camera-2", "camera-3", "camera-4", "camera-5"];
  await releaser.devices(names, "1.0.0");
  for (const [i, name] of names.entries())
    await hub.ask("PUT", `/v1/devices/${name}/tags`, {
      site: i < 3 ? "ams" : "rtm", line: String(i + 1),
    });
  await releaser.release("1.1.0");
  const measures = ["errors", "slow frames"];
  const good = await releaser.rollOut("1.1.0", {
    stages: [{ devices: 1, least_minutes: 0 }, { devices: 3, least_minutes: 60 },
      { percent: 50, least_minutes: 60 }, { percent: 100, least_minutes: 60 }],
    measures, look_s: 3, history_looks: 8, query: "site=ams",
  });
  await releaser.release("1.2.0", { broken: true });
  const bad = await releaser.rollOut("1.2.0", {
    stages: [{ devices: 1, least_minutes: 0 }, { percent: 100, least_minutes: 0 }],
    measures, look_s: 3, history_looks: 1, query: "site=rtm",
  });
  await releaser.push("1.3.0"); // waits for somebody
  await until("what went back", async () =>
    (await hub.ask("GET", `/v1/rollouts/${bad.id}`)).phase === "aborted");
  await until("evidence", async () => {
    const { looks } = await hub.ask("GET", `/v1/rollouts/${good.id}/looks`);
    return looks.length > 40;
  });

  await signIn(page, releaser.people.olga, "/#/fleet");
  await expect(page.getByText("rolled back").first()).toBeVisible();
  await picture(page, "fleet");
  await page.goto("/#/devices/camera-2");
  await expect(page.locator("canvas").first()).toBeVisible();
  await picture(page, "device", 960);
  await page.goto(`/#/rollouts/${good.id}`);
  await expect(page.locator("canvas").first()).toBeVisible();
  await picture(page, "rollout", 860);
  await page.goto("/#/releases/voice/1.1.0");
  await picture(page, "release", 780);
  await page.goto("/#/repository");
  await picture(page, "repository", 720);
  await page.goto("/#/rollouts/new?model=voice&version=1.1.0");
  await page.getByLabel("Devices with tags").fill("site=rtm");
  await page.getByLabel("Own stages").check();
  await expect(page.getByRole("region", { name: "What it would be" }).getByRole("table"))
    .toBeVisible();
  await picture(page, "new-rollout", 960, 1280);

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
  if (!everything) return;
  await page.getByLabel("Taal").selectOption("English");
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page, hub.admin, "/#/fleet");
  await all(page, ["fleet", "devices", "devices/camera-5", "enrolment", "rollouts",
    `rollouts/${good.id}`, `rollouts/${bad.id}`, "rollouts/new?model=voice&version=1.1.0", "models",
    "models/voice", "releases", "releases/voice/1.1.0", "approvals", "repository", "audit",
    "people"]);
});
