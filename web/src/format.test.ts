import { afterEach, describe, expect, it } from "vitest";
import {
  ago, axisTimes, bytes, count, dateTime, duration, milliseconds, number, percent, short,
} from "./format";
import { language } from "./settings";

afterEach(() => language.set("en"));

describe("numbers", () => {
  it("have three digits that tell something", () => {
    expect(number(0.012345)).toBe("0.0123");
    expect(number(12.345)).toBe("12.3");
    expect(number(1234.5)).toBe("1,235");
    expect(number(Number.POSITIVE_INFINITY)).toBe("–");
  });
  it("are written as the language has it", () => {
    expect(count(12345)).toBe("12,345");
    language.set("nl");
    expect(count(12345)).toBe("12.345");
    expect(number(0.5)).toBe("0,5");
  });
  it("have units", () => {
    expect(milliseconds(12)).toBe("12 ms");
    expect(milliseconds(1500)).toBe("1.5 s");
    expect(bytes(1536)).toBe("1.5 KiB");
    expect(bytes(5)).toBe("5 B");
    expect(percent(1, 8)).toBe("12.5%");
    expect(percent(1, 0)).toBe("–");
  });
});

describe("times", () => {
  const now = Date.parse("2026-11-28T12:00:00Z");
  it("are told from now", () => {
    expect(ago("2026-11-28T11:59:30Z", now)).toBe("just now");
    expect(ago("2026-11-28T12:00:03Z", now)).toBe("just now");
    expect(ago("2026-11-28T12:00:30Z", now)).toBe("within a minute");
    expect(ago("2026-11-28T11:57:00Z", now)).toBe("3 minutes ago");
    expect(ago("2026-11-28T09:00:00Z", now)).toBe("3 hours ago");
    expect(ago("2026-11-30T12:00:00Z", now)).toBe("in 2 days");
    language.set("nl");
    expect(ago("2026-11-28T11:57:00Z", now)).toBe("3 minuten geleden");
  });
  it("that are none are shown as they came", () => {
    expect(ago("soon", now)).toBe("soon");
  });
});

describe("a time of a day", () => {
  const opens = "2026-12-06T00:00:00Z";
  it("says its zone", () => {
    expect(dateTime(opens, "UTC")).toBe("6 Dec 2026, 00:00 UTC");
    expect(dateTime(opens, "Europe/Amsterdam")).toBe("6 Dec 2026, 01:00 CET");
    expect(dateTime("2026-07-06T00:00:00Z", "Europe/Amsterdam")).toBe("6 Jul 2026, 02:00 CEST");
    language.set("nl");
    expect(dateTime(opens, "Europe/Amsterdam")).toBe("6 dec 2026, 01:00 CET");
  });
  it("is that of the browser in a zone that it does not know; what is none stays", () => {
    expect(dateTime(opens, "Moon/Tycho")).toBe(dateTime(opens));
    expect(dateTime("soon")).toBe("soon");
  });
});

describe("an axis", () => {
  it("says the day where it changes", () => {
    const from = new Date(2026, 10, 28, 22).getTime() / 1000;
    expect(axisTimes([0, 1, 2, 3].map((i) => from + i * 3600))).toEqual([
      "22:00\n28 Nov", "23:00", "00:00\n29 Nov", "01:00",
    ]);
    expect(axisTimes([from, from + 10])).toEqual(["22:00:00\n28 Nov", "22:00:10"]);
  });
});

describe("durations", () => {
  it("have their two largest parts", () => {
    expect(duration(3 * 1440 + 12 * 60 + 5)).toBe("3 days 12 hours");
    expect(duration(61)).toBe("1 hour 1 minute");
  });
  it("have seconds below an hour", () => {
    expect(duration(0)).toBe("0 seconds");
    expect(duration(0.3)).toBe("18 seconds");
    expect(duration(1.5)).toBe("1 minute 30 seconds");
    expect(duration(60.4)).toBe("1 hour");
    language.set("nl");
    expect(duration(18 / 60)).toBe("18 seconden");
  });
});

describe("hashes", () => {
  it("are cut", () => {
    expect(short("0123456789abcdef0123")).toBe("0123456789ab…");
    expect(short("0123")).toBe("0123");
  });
});
