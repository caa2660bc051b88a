// Numbers and times for people, in the language that was chosen.
import { language } from "./settings";
import { t } from "./i18n";

const locale = () => (language.get() === "nl" ? "nl-NL" : "en-GB");

export function count(n: number): string {
  return new Intl.NumberFormat(locale()).format(n);
}

// Three digits that tell something: 0.0123, 1.23, 12.3, 1,234.
export function number(n: number): string {
  if (!Number.isFinite(n)) return "–";
  const digits = Math.abs(n) >= 1000 ? 0 : undefined;
  return new Intl.NumberFormat(locale(), {
    maximumSignificantDigits: digits === 0 ? undefined : 3,
    maximumFractionDigits: digits,
  }).format(n);
}

// On an axis of powers of ten: 1M.
export function compact(n: number): string {
  return new Intl.NumberFormat(locale(), {
    notation: "compact",
    maximumSignificantDigits: 3,
  }).format(n);
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return "–";
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 1 }).format(
    part / whole,
  );
}

export function milliseconds(ms: number): string {
  return ms >= 1000 ? `${number(ms / 1000)} s` : `${number(ms)} ms`;
}

// "6 Dec 2026, 01:00 CET": in the browser's time zone, or in another ("Europe/Amsterdam"), which it
// says.
export function dateTime(text: string, zone?: string): string {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return text;
  const form = (timeZone?: string) =>
    new Intl.DateTimeFormat(locale(), {
      day: "numeric",
      month: "short",
      year: "numeric",
      hour: "2-digit",
      minute: "2-digit",
      timeZoneName: "short",
      timeZone,
    }).format(time);
  try {
    return form(zone);
  } catch {
    return form(); // a zone that this browser does not know
  }
}

// Of the ticks of an axis, seconds since 1970: the hour, and the day where it is another.
export function axisTimes(ticks: number[]): string[] {
  const day = new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short" });
  const isShort = ticks.length > 1 && ticks[1]! - ticks[0]! < 60;
  const hour = new Intl.DateTimeFormat(locale(), {
    hour: "2-digit",
    minute: "2-digit",
    second: isShort ? "2-digit" : undefined,
  });
  let last = "";
  return ticks.map((tick) => {
    const time = new Date(tick * 1000);
    const today = day.format(time);
    const text = today === last ? hour.format(time) : `${hour.format(time)}\n${today}`;
    last = today;
    return text;
  });
}

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const skew = 5; // seconds between the clocks of hub and browser

// "3 minutes ago", "in 89 days".
export function ago(text: string, nowMs: number): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) return text;
  const seconds = Math.round((time - nowMs) / 1000);
  for (const [unit, size] of steps)
    if (Math.abs(seconds) >= size)
      return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(
        Math.trunc(seconds / size),
        unit,
      );
  return t(seconds > skew ? "time.soon" : "time.now");
}

const parts: [string, number][] = [...steps, ["second", 1]];

// The two largest parts: "3 days 12 hours"; seconds below an hour alone, as the hub says them.
export function duration(minutes: number): string {
  let left = Math.round(minutes * 60);
  if (left >= 3_600) left -= left % 60;
  const texts: string[] = [];
  for (const [unit, size] of parts) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0 && texts.length < 2) texts.push(units(unit, n));
  }
  return texts.length === 0 ? units("second", 0) : texts.join(" ");
}

function units(unit: string, n: number): string {
  return new Intl.NumberFormat(locale(), { style: "unit", unit, unitDisplay: "long" }).format(n);
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i += 1;
  }
  return `${number(n)} ${units[i]}`;
}

// Enough of a SHA-256 to tell it from others by eye.
export function short(hash: string): string {
  return hash.length > 16 ? `${hash.slice(0, 12)}…` : hash;
}
