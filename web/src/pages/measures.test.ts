import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Measure } from "../types";
import { isKnown, leastRatio, mostRatio } from "./measures";

const measure: Measure = {
  name: "frames that differ", ratio: 1, low: 0.8, high: 1.2, worse: 1, acceptable: 1,
  canary_trials: 400, control_trials: 400,
};

describe("a ratio", () => {
  it("is known within bounds that close something out", () => {
    expect(isKnown(measure)).toBe(true);
    expect(isKnown({ ...measure, low: leastRatio })).toBe(true);
    expect(isKnown({ ...measure, low: leastRatio, high: mostRatio })).toBe(false);
  });

  it("is not known of what nobody has counted", () => {
    // As a hub has it before anything was compared.
    expect(isKnown({ ...measure, low: 0, high: 0, canary_trials: 0, control_trials: 0 })).toBe(
      false,
    );
    expect(isKnown({ ...measure, low: 0, high: 0, control_trials: 0 })).toBe(false);
    expect(isKnown({ ...measure, low: 0, high: 0, canary_trials: undefined })).toBe(false);
  });

  it("has the bounds of the hub", () => {
    const header = readFileSync(join(__dirname, "../../../src/hub/judgement.h"), "utf8");
    expect(header).toContain(`kLeastRatio = ${leastRatio}, kMostRatio = ${mostRatio};`);
  });
});
