import { afterEach, describe, expect, it } from "vitest";
import { language } from "../settings";
import type { Changes, PublicationDetails } from "../types";
import {
  isSignedAnew, pathsOf, releaseOf, shownFiles, shownTargets, signersOf, thresholdText,
} from "./changes";

afterEach(() => language.set("en"));

const none: Changes = { files: [], trust: [], targets: [], floors: [], other: [] };
const trust = {
  role: "targets", added_keys: [], removed_keys: [], threshold: 1, threshold_before: 1, paths: [],
  paths_before: [],
};

describe("a target", () => {
  it("is of a release by its manifest alone", () => {
    expect(releaseOf("voice/1.1.0/manifest.json")).toEqual({ model: "voice", version: "1.1.0" });
    expect(releaseOf("shop/voice/1.1.0/manifest.json")).toEqual({
      model: "shop/voice", version: "1.1.0",
    });
    expect(releaseOf("voice/1.1.0/model.onnx")).toBeNull();
    expect(releaseOf("floors.json")).toBeNull();
  });

  it("with a problem is shown however many there are", () => {
    const targets = Array.from({ length: 300 }, (_, i) => ({
      role: "targets", path: `file-${i}`, problem: i === 250 ? "it is another" : undefined,
    }));
    const some = shownTargets({ ...none, targets });
    expect(some.all).toBe(300);
    expect(some.shown.map((one) => one.path).slice(99)).toEqual(["file-99", "file-250"]);
  });
});

describe("files of roles", () => {
  it("are shown in part where hash bins come by the hundred", () => {
    const files = Array.from({ length: 40 }, (_, i) => ({
      role: `targets.bin-${i}`, version: 2, expires: "2027-06-01T00:00:00Z",
    }));
    const some = shownFiles({ ...none, files });
    expect([some.shown.length, some.all]).toEqual([12, 40]);
  });

  it("that differ in nothing else are signed anew", () => {
    const files = [{ role: "root", version: 2, expires: "2027-06-01T00:00:00Z" }];
    expect(isSignedAnew({ ...none, files })).toBe(true);
    expect(isSignedAnew({ ...none, files, other: ["consistent snapshots end"] })).toBe(false);
    expect(isSignedAnew({ ...none, files, trust: [trust] })).toBe(false);
    expect(isSignedAnew(none)).toBe(false);
  });
});

describe("whom devices trust", () => {
  it("is told by how many must sign", () => {
    const text = (threshold: number, threshold_before: number) =>
      thresholdText({ ...trust, threshold, threshold_before });
    expect(text(2, 0)).toBe("2 of these must sign");
    expect(text(0, 1)).toBe("is trusted no more");
    expect(text(1, 1)).toBe("1 must sign, as before");
    expect(text(2, 1)).toBe("2 must sign, were 1");
    language.set("nl");
    expect(text(2, 1)).toBe("handtekeningen nodig: 2, eerst 1");
  });

  it("is told by paths where they change", () => {
    expect(pathsOf({ ...trust, paths: ["a/*"], paths_before: ["a/*"] })).toEqual([]);
    expect(pathsOf({ ...trust, paths: ["a/*", "b/*"], paths_before: ["a/*"] })).toEqual([
      { sign: "−", path: "a/*" }, { sign: "+", path: "a/*" }, { sign: "+", path: "b/*" },
    ]);
  });
});

describe("who has signed", () => {
  it("is told of each role, not of its hash bins", () => {
    const signatures = [
      { role: "targets", key: "aa" }, { role: "targets.bin-0f", key: "aa" },
      { role: "root", key: "bb" }, { role: "targets", key: "cc" },
    ];
    expect(signersOf({ signatures } as PublicationDetails)).toEqual([
      { role: "targets", keys: ["aa", "cc"] }, { role: "root", keys: ["bb"] },
    ]);
  });
});
