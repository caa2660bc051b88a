// What a person chose for this browser: the theme and the language.
import { Store } from "./store";

export type Theme = "auto" | "light" | "dark";
export type Language = "en" | "nl";
export const themes: Theme[] = ["auto", "light", "dark"];
export const languages: Language[] = ["en", "nl"];

function read<T extends string>(key: string, among: T[], fallback: T): T {
  const value = globalThis.localStorage?.getItem(key) as T | null | undefined;
  return value && among.includes(value) ? value : fallback;
}

const preferred = globalThis.navigator?.language?.startsWith("nl") ? "nl" : "en";
export const theme = new Store<Theme>(read("polder.theme", themes, "auto"));
export const language = new Store<Language>(read("polder.language", languages, preferred));

export function isDark(): boolean {
  const chosen = theme.get();
  return chosen === "auto" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "dark";
}

// A number that changes whenever colours do: charts are drawn anew.
export const colours = new Store<number>(0);

export function followSettings(): void {
  const apply = () => {
    document.documentElement.dataset["theme"] = isDark() ? "dark" : "light";
    document.documentElement.lang = language.get();
    colours.set(colours.get() + 1);
  };
  theme.follow((value) => {
    localStorage.setItem("polder.theme", value);
    apply();
  });
  language.follow((value) => {
    localStorage.setItem("polder.language", value);
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}
