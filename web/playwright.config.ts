// The console in Debian's Chromium, against a polder-hub that the tests start themselves.
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "e2e",
  outputDir: "../build/console-e2e",
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  workers: 1,
  reporter: "list",
  use: {
    browserName: "chromium",
    locale: "en-GB",
    timezoneId: "UTC",
    actionTimeout: 30_000,
    viewport: { width: 1280, height: 800 },
    screenshot: "only-on-failure",
  },
});
