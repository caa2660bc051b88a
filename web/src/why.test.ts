import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { languages, language } from "./settings";
import { sentences, words } from "./text/why";
import { failureIn, said, saidIn } from "./why";

const source = (name: string) =>
  readFileSync(join(__dirname, "../../src/hub", name), "utf8");

// The table of the hub: each code, and the values that stand in its sentence.
const table = new Map(
  [...source("reason.h").matchAll(/inline constexpr Sentence k\w+\{(.*?")\};/gs)].map((found) => {
    const [code, ...text] = [...found[1]!.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((one) => one[1]!);
    return [code!, text.join("")] as const;
  }),
);
const names = (text: string) =>
  [...new Set([...text.matchAll(/\{(\w+)[^}]*\}/g)].map((found) => found[1]))].sort();
const others = languages.filter((one) => one !== "en");

afterEach(() => language.set("en"));

describe.each(others)("what a hub says of rollouts, in %s", (one) => {
  it("has a sentence for each that it can say, and no other", () => {
    expect(table.size).toBe(source("reason.h").split("Sentence k").length - 1);
    expect(Object.keys(sentences[one]!).sort()).toEqual([...table.keys()].sort());
  });

  it.each([...table])("takes the same values: %s", (code, text) => {
    expect(names(sentences[one]![code]!)).toEqual(names(text));
  });

  it("has words for each failure, and for why one could not be taken", () => {
    const returned = (name: string, file: string) => {
      const body = new RegExp(`string_view ${name}\\(.*?\n\\}`, "s").exec(source(file))![0];
      return [...body.matchAll(/return "([^"]+)"/g)].map((found) => found[1]!);
    };
    const failures = returned("failure_text", "gate.cpp");
    const causes = returned("words_of", "rollouts/refusals.cpp");
    const troubles = [...new Set(returned("trouble_text", "rollouts/observe.cpp"))];
    expect(Math.min(failures.length, causes.length, troubles.length)).toBeGreaterThan(3);
    expect(Object.keys(words[one]!).sort()).toEqual([...failures, ...causes, ...troubles].sort());
  });
});

const why = {
  code: "window",
  text: "waits for the window Fri-Mon 01:00-05:00 Europe/Amsterdam: opens at 2030-03-31T23:00:00Z",
  values: { window: "Fri-Mon 01:00-05:00 Europe/Amsterdam", time: "2030-03-31T23:00:00Z" },
};
const failed = {
  code: "failed",
  text: "cam-1: crash loop",
  values: { device: "cam-1", failure: "crash loop" },
};

describe("a reason", () => {
  it("is the hub's own in English, and where its code is new", () => {
    expect(said(why)).toBe(why.text);
    language.set("nl");
    expect(said({ ...why, code: "moon" })).toBe(why.text);
  });

  it("is said with its values", () => {
    language.set("nl");
    expect(said(why)).toBe(
      "wacht op het venster vr-ma 01:00-05:00 Europe/Amsterdam: gaat open 1 apr 2030, 01:00 CEST",
    );
    const far = { window: "Sat 01:00-05:00 Asia/Ust-Nera", time: "2030-03-31T23:00:00Z" };
    expect(said({ ...why, values: far })).toContain("za 01:00-05:00 Asia/Ust-Nera: ");
    expect(said({ code: "few_observations", text: "", values: {
      measure: "slow frames", observations: 1234, least: 5000,
    } })).toBe("trage beelden: 1.234 waarnemingen van ten minste 5.000");
    expect(said({ code: "too_soon", text: "", values: { passed_s: 60, least_s: 7200 } })).toBe(
      "1 minuut van ten minste 2 uur is voorbij",
    );
    expect(said({ code: "too_soon", text: "", values: { passed_s: 0, least_s: 18 } })).toBe(
      "0 seconden van ten minste 18 seconden is voorbij",
    );
  });

  it("says of which of two releases a measure is", () => {
    language.set("nl");
    const values = { measure: "slow frames of 1.3.0", observations: 0, least: 100 };
    expect(said({ code: "few_observations", text: "", values })).toBe(
      "trage beelden van 1.3.0: 0 waarnemingen van ten minste 100",
    );
  });

  it("says how large a stage is", () => {
    language.set("nl");
    const stage = (size: string) =>
      said({ code: "stage", text: "", values: { stage: 2, stages: 4, size } });
    expect(stage("shadow on 1 device")).toBe("fase 2 van 4 (schaduw op 1 apparaat)");
    expect(stage("3 devices")).toBe("fase 2 van 4 (3 apparaten)");
    expect(stage("12.5%")).toBe("fase 2 van 4 (12,5%)");
    expect(stage("a moon")).toBe("fase 2 van 4 (a moon)");
  });

  it("says why a device does not run it", () => {
    language.set("nl");
    const values = {
      device: "cam-1",
      trouble: "does not run it: its worker does not start (no fault of the release)",
    };
    expect(said({ code: "trouble", text: "", values })).toBe(
      "cam-1: draait hem niet: zijn werker start niet (de release treft geen schuld)",
    );
  });

  it("is what a device has in a rollout", () => {
    const said: [string, string][] = [
      ["crash loop", "stort telkens in"],
      ["refused", "geweigerd"],
      ["refused: below the floor 2.0.0", "geweigerd: below the floor 2.0.0"],
      ["has not taken it for days", "nam hem dagenlang niet"],
      [
        "could not take it: there is no room for it (no fault of the release; tried again)",
        "kon hem niet nemen: er is geen ruimte voor (de release treft geen schuld; wordt weer " +
          "geprobeerd)",
      ],
      [
        "does not run it: its worker does not start (no fault of the release)",
        "draait hem niet: zijn werker start niet (de release treft geen schuld)",
      ],
      ["its own words", "its own words"],
    ];
    for (const [text] of said) expect(failureIn(text)).toBe(text);
    language.set("nl");
    for (const [text, dutch] of said) expect(failureIn(text)).toBe(dutch);
  });

  it("is found in a text that has several", () => {
    language.set("nl");
    expect(saidIn("cam-1: crash loop; and 3 more", [failed])).toBe(
      "cam-1: stort telkens in; en nog 3",
    );
    expect(saidIn("a fair is on", [failed])).toBe("a fair is on");
    expect(saidIn("a fair is on")).toBe("a fair is on");
  });
});
