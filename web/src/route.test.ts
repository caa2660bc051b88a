import { describe, expect, it } from "vitest";
import { matches } from "./api";
import { seriesOf } from "./pages/device_charts";
import { parseTags } from "./pages/tags";
import { link, parseRoute } from "./route";
import { cursorOf } from "./ui/table";

describe("addresses", () => {
  it("come back as they went", () => {
    const there = link(["devices", "camera 17/b"], { query: "site=ams,line=3", after: undefined });
    expect(there).toBe("#/devices/camera%2017%2Fb?query=site%3Dams%2Cline%3D3");
    const here = parseRoute(there);
    expect(here.path).toEqual(["devices", "camera 17/b"]);
    expect(here.query.get("query")).toBe("site=ams,line=3");
  });
  it("that are mistyped lead somewhere", () => {
    expect(parseRoute("").path).toEqual([]);
    expect(parseRoute("#devices").path).toEqual(["devices"]);
    expect(parseRoute("#/a%zz").path).toEqual(["a%zz"]);
  });
  it("are those of the hub when each part is", () => {
    expect(matches("/v1/devices/{id}/revoke", "/v1/devices/a/revoke")).toBe(true);
    expect(matches("/v1/devices/{id}", "/v1/devices/a/revoke")).toBe(false);
    expect(matches("/v1/devices", "/v1/rollouts")).toBe(false);
  });
  it("of the next page say where it begins", () => {
    expect(cursorOf("/v1/devices?limit=2&after=cam%2D2", "after")).toBe("cam-2");
    expect(cursorOf("/v1/audit?limit=2&before=7", "before")).toBe("7");
    expect(cursorOf(undefined, "after")).toBeUndefined();
  });
});

describe("tags", () => {
  it("are one a line", () => {
    expect(parseTags("site = ams\n\nline=3\n")).toEqual({ tags: { site: "ams", line: "3" } });
    expect(parseTags("")).toEqual({ tags: {} });
  });
  it("that are none, or twice there, are told by their line", () => {
    expect(parseTags("site=ams\nline")).toEqual({ line: 2 });
    expect(parseTags("=ams")).toEqual({ line: 1 });
    expect(parseTags("site=")).toEqual({ line: 1 });
    expect(parseTags("site=a\nsite=b")).toEqual({ line: 2 });
  });
});

describe("series", () => {
  it("have a place for each window", () => {
    const windows = ["a", "b", "a"].map((name, i) => ({
      time: `2026-11-28T12:0${i}:00Z`,
      window_ms: 60_000,
      frames: i,
      signals: [{ name, psi: i, mean: 0 }],
    }));
    const all = seriesOf(windows, (one) =>
      one.signals!.map((signal) => ({ name: signal.name, value: signal.psi })),
    );
    expect([...all]).toEqual([
      ["a", [0, null, 2]],
      ["b", [null, 1, null]],
    ]);
  });
});
