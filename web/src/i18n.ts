// Texts in the language that was chosen: t("devices.count", { n: 3 }).
import { en } from "./text/en";
import { nl } from "./text/nl";
import { language, type Language } from "./settings";

export type Key = keyof typeof en;
export const texts: Record<Language, Record<Key, string>> = { en, nl };

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in values ? String(values[name]) : whole,
  );
}

export function t(key: Key, values: Record<string, string | number> = {}): string {
  return fill(texts[language.get()][key], values);
}

// Of a word that the hub says; what this console does not know is shown as it came.
export function word(
  group: string,
  value: string,
  values: Record<string, string | number> = {},
): string {
  const key = `${group}.${value}`;
  return key in en ? t(key as Key, values) : value;
}
