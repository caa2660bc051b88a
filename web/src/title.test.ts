import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { language } from "./settings";
import { titles } from "./text/titles";
import { titleIn } from "./title";

afterEach(() => language.set("en"));

// What the hub's own tests expect of it.
const tests = readFileSync(join(__dirname, "../../src/hub/repository/title_test.cpp"), "utf8");
const expected = [...tests.matchAll(/EXPECT_EQ\(title\w*\([^)]*\),\s*((?:"[^"]*"\s*)+)\)/g)].map(
  (found) => [...found[1]!.matchAll(/"([^"]*)"/g)].map((one) => one[1]).join(""),
);

const english = new RegExp(
  "\\b(adds|assigns|by|every|for|key|lets|more|must|nothing|place|raises|renews|replaces|signs|" +
    "the|to|trusts|until|withdraws)\\b",
);

describe("what an approval is for", () => {
  it("is the hub's own in English", () => {
    expect(expected.length).toBeGreaterThan(15);
    for (const title of expected) expect(titleIn(title)).toBe(title);
  });

  it("has no English word in Dutch, but of names and of what the hub has no words for", () => {
    language.set("nl");
    for (const title of expected) {
      if (title.startsWith("x, renews root:")) continue; // what a file has besides, as it came
      expect(titleIn(title).replace(/'[^']*'/g, "")).not.toMatch(english);
    }
  });

  it.each([
    [
      "withdraws people 1.0.0; raises the floors of cats to 2.0.0 and people to 1.2.0",
      "trekt people 1.0.0 in; verhoogt de ondergrenzen van cats naar 2.0.0 en people naar 1.2.0",
    ],
    [
      "assigns people 1.0.0 to camera-17, nothing to every other device and 3 more",
      "wijst toe: people 1.0.0 aan camera-17, niets aan elk ander apparaat en nog 3",
    ],
    [
      "trusts key aaaa to sign root, and 2 keys must sign root, in place of 1; and 3 more changes",
      "vertrouwt sleutel aaaa om root te ondertekenen, en er zijn 2 sleutels nodig voor root, " +
        "in plaats van 1; en nog 3 wijzigingen",
    ],
    [
      "replaces the online key bbbb of snapshot and timestamp by the hub's own",
      "vervangt de online sleutel bbbb van snapshot en timestamp door die van de hub zelf",
    ],
    ["makes people 1.2.0 the champion", "maakt people 1.2.0 de champion"],
  ])("is said in Dutch: %s", (title, dutch) => {
    language.set("nl");
    expect(titleIn(title)).toBe(dutch);
  });

  it("leaves names as they are", () => {
    language.set("nl");
    const name = "'a; adds b and c to the d'";
    expect(titleIn(`trusts role ${name} no more; adds ${name} and 'e'`)).toBe(
      `vertrouwt rol ${name} niet meer; voegt ${name} en 'e' toe`,
    );
    expect(titleIn("says something new of 'x'")).toBe("says something new of 'x'");
  });

  it("has a pattern for each verb that the hub has", () => {
    const source = readFileSync(
      join(__dirname, "../../src/hub/repository/title.cpp"), "utf8",
    );
    const verbs = [...source.matchAll(/tell\(parts, (?:.*? \? )?"([^"]+)"(?: : "([^"]+)")?/g)];
    expect(verbs.length).toBeGreaterThan(6);
    for (const verb of verbs.flatMap((found) => [found[1], found[2]].filter(Boolean)))
      for (const phrases of Object.values(titles))
        expect(phrases.parts.some(({ of }) => of.test(`${verb} x 1.0.0`)), verb).toBe(true);
  });
});
