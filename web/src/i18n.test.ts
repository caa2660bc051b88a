import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fill, t, texts, word } from "./i18n";
import { language, languages } from "./settings";

const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
    const path = join(folder, one.name);
    if (one.isDirectory()) return one.name === "text" ? [] : sources(path);
    return /(?<!\.test)\.tsx?$/.test(one.name) ? [readFileSync(path, "utf8")] : [];
  });
}

describe("texts", () => {
  it("have the same keys in each language, none empty", () => {
    for (const one of languages) {
      expect(Object.keys(texts[one]).sort()).toEqual(Object.keys(texts.en).sort());
      for (const [key, text] of Object.entries(texts[one])) expect(text.trim(), key).not.toBe("");
    }
  });

  it("take the same values in each language", () => {
    for (const [key, text] of Object.entries(texts.en))
      expect(names(texts.nl[key as keyof typeof texts.en]), key).toEqual(names(text));
  });

  it("are all used: by their key, or by the group of words that they are in", () => {
    const code = sources(join(__dirname)).join("\n");
    const unused = Object.keys(texts.en).filter((key) => {
      if (code.includes(`"${key}"`)) return false;
      // t(`phase.${one}`), word("phase", ...), `approvals.${verb}.title`
      const parts = key.split(".");
      return !parts.some((_, i) => {
        const group = parts.slice(0, i).join(".");
        const rest = parts.slice(i + 1).map((part) => `.${part}`).join("");
        return (
          i > 0 &&
          (code.includes(`\`${group}.\${`) && new RegExp(
            `\`${group.replace(/\./g, "\\.")}\\.\\$\\{[^}]+\\}${rest.replace(/\./g, "\\.")}\``,
          ).test(code) || (rest === "" && code.includes(`word("${group}"`)))
        );
      });
    });
    expect(unused).toEqual([]);
  });

  it("are filled, and what has no value stays", () => {
    expect(fill("{a} of {b}", { a: 1 })).toBe("1 of {b}");
  });

  it("come in the language that is chosen", () => {
    language.set("nl");
    expect(t("devices.title")).toBe("Apparaten");
    expect(word("health", "well")).toBe("gezond");
    expect(word("health", "sleeping")).toBe("sleeping");
    language.set("en");
    expect(t("devices.title")).toBe("Devices");
  });
});
