// Reasons of the hub in the language that was chosen.
import { count, dateTime, duration, number } from "./format";
import { fill, t, word } from "./i18n";
import { measureName } from "./measure";
import { language } from "./settings";
import { stageName } from "./stage";
import { sentences, words } from "./text/why";
import type { Why } from "./types";

// A time beside a window is one of the window's zone, which it ends with.
function shown(name: string, value: string | number, zone?: string): string {
  if (typeof value === "number") {
    if (name.endsWith("_s")) return duration(value / 60);
    return Number.isInteger(value) ? count(value) : number(value);
  }
  if (name === "measure") return measureName(value);
  if (name === "than") return word(name, value);
  if (name === "size") return sizeOf(value);
  if (name === "trouble") return troubleOf(value);
  if (name === "failure" || name === "cause") return wordOf(value);
  if (name === "time") return dateTime(value, zone);
  // Its days stand before its hours; a zone such as Asia/Ust-Nera comes after them.
  if (name === "window")
    return value.replace(/^\D*/, (days) => days.replace(/[A-Z][a-z]{2}/g, dayOf));
  return value;
}

function wordOf(value: string): string {
  return words[language.get()]?.[value] ?? value;
}

// Of src/hub/rollouts/observe.cpp; others are a device's own words.
function troubleOf(value: string): string {
  const cause = /^does not run it: (.+) \(no fault of the release\)$/.exec(value)?.[1];
  return cause === undefined ? value : t("why.trouble", { cause: wordOf(cause) });
}

// What a device has in a rollout: how the release failed, or why it does not run it. A device's own
// words stay as they are.
export function failureIn(text: string): string {
  if (text === "refused") return t("why.refused");
  if (text === "has not taken it for days") return t("why.late");
  const own = /^refused: (.+)$/s.exec(text)?.[1];
  if (own !== undefined) return t("why.refused.with", { words: own });
  const ended =
    /^could not take it: (.+) \(no fault of the release; tried again\)$/.exec(text)?.[1];
  if (ended !== undefined) return t("why.ended", { cause: wordOf(ended) });
  return troubleOf(wordOf(text));
}

// "shadow on 3 devices", "10%".
function sizeOf(value: string): string {
  const found = /^(shadow on )?(?:(\d+) devices?|([\d.]+)%)$/.exec(value);
  if (!found) return value;
  return stageName({
    shadow: found[1] !== undefined,
    devices: found[2] ? Number(found[2]) : null,
    percent: found[3] ? Number(found[3]) : null,
  });
}

function dayOf(day: string): string {
  return word("day", day.toLowerCase());
}

// The hub's English where this console has no other words.
export function said(why: Why): string {
  const sentence = sentences[language.get()]?.[why.code];
  if (sentence === undefined) return why.text;
  const { window } = why.values;
  const zone = typeof window === "string" ? window.split(" ").at(-1) : undefined;
  const values = Object.entries(why.values).map(([name, value]) => [
    name, shown(name, value, zone),
  ]);
  return fill(sentence, Object.fromEntries(values) as Record<string, string>);
}

// A text of the hub in which reasons stand, one or several.
export function saidIn(text: string, why: Why[] = []): string {
  // Of two that begin alike the longer one first.
  const longest = [...why].sort((a, b) => b.text.length - a.text.length);
  return longest
    .reduce((all, one) => all.replace(one.text, () => said(one)), text)
    .replace(/; and (\d+) more$/, (_, n: string) => t("why.more", { n }));
}
