import { describe, expect, it } from "vitest";
import { commandOf, daysText, emptyOrder, fieldOf, orderOf, stageForm } from "./order";

describe("an order", () => {
  it("leaves to the hub what nobody has filled in", () => {
    expect(orderOf(emptyOrder(" people ", "1.3.0"))).toEqual({ model: "people", version: "1.3.0" });
  });

  it("says all that was filled in", () => {
    const form = {
      ...emptyOrder("people", "1.3.0"),
      other_version: "1.4.0",
      query: "site=ams",
      strata: "site",
      own: true,
      stages: [
        { ...stageForm("2", "devices", true), allowed: "0.4" },
        { ...stageForm("3", "devices"), least_minutes: "90", margin: "2.5", errors_an_hour: "1" },
        stageForm("100", "percent"),
      ],
      measures: ["empty frames", "errors"],
      look_s: "60",
      history_looks: "0",
      from: "22:00",
      to: "05:00",
      not_before: "2027-01-11 00:00",
      one_way: true,
      unpublished: true,
    };
    const order = orderOf(form);
    expect(order).toEqual({
      model: "people",
      version: "1.3.0",
      other_version: "1.4.0",
      query: "site=ams",
      strata: "site",
      stages: [
        { shadow: true, devices: 2, allowed: 0.4 },
        { devices: 3, least_minutes: 90, margin: 2.5, errors_an_hour: 1 },
        { percent: 100 },
      ],
      measures: ["errors", "empty frames"],
      look_s: 60,
      history_looks: 0,
      window: { from: "22:00", to: "05:00" },
      not_before: "2027-01-11T00:00:00Z",
      one_way: true,
      unpublished: true,
    });
    expect(commandOf(order)).toBe(
      "polder rollout create people 1.3.0 --other-version 1.4.0 --query site=ams --strata site " +
        "--stages 'shadow 2 allowed=0.4, 3 least_minutes=90 margin=2.5 errors_an_hour=1, 100%' " +
        "--measures 'errors, empty frames' " +
        "--look-s 60 --history-looks 0 --window 22:00-05:00 --not-before 2027-01-11T00:00:00Z " +
        "--one-way --unpublished",
    );
    expect(commandOf(orderOf({ ...form, measures: [] }))).toContain("--measures none");
  });

  it("has days and a zone of its window", () => {
    const form = { ...emptyOrder("people", "1.3.0"), from: "01:00", to: "05:00" };
    expect(orderOf(form)["window"]).toEqual({ from: "01:00", to: "05:00" });
    const order = orderOf({ ...form, days: ["sat", "tue", "mon"], zone: "Europe/Amsterdam" });
    expect(order["window"]).toEqual({
      days: ["mon", "tue", "sat"],
      from: "01:00",
      to: "05:00",
      zone: "Europe/Amsterdam",
    });
    expect(commandOf(order)).toContain("--window 'mon,tue,sat 01:00-05:00 Europe/Amsterdam'");
    expect(orderOf({ ...form, days: [] })["window"]).toMatchObject({ days: [] });
  });

  it.each([
    ["mon tue wed thu fri", "mon-fri"],
    ["fri sat sun mon", "fri-mon"],
    ["sat sun", "sat,sun"],
    ["sun mon wed", "wed,sun,mon"],
    ["tue", "tue"],
    ["", ""],
    ["mon tue wed thu fri sat sun", "mon-sun"],
  ])("has days in a row: %s", (days, text) => {
    expect(daysText(days.split(" "))).toBe(text);
  });

  it("is a command that a shell reads as it is meant", () => {
    expect(commandOf({ model: "it's", version: "$(x)" })).toBe(
      "polder rollout create 'it'\\''s' '$(x)'",
    );
  });
});

describe("a refusal of the hub", () => {
  const cases: [string, string, string][] = [
    ["body.window.from: a time of the day", "from", "a time of the day"],
    ["body.window: it is empty", "from", "it is empty"],
    ["body.window.zone: there is no time zone", "zone", "there is no time zone"],
    ["body.stages[2]: either devices or percent", "stages.2", "either devices or percent"],
    ["body.stages[0].margin: 1.1 to 4 expected", "stages.0", "1.1 to 4 expected"],
    ["stage 2 (1 device): must be larger", "stages.1", "stage 2 (1 device): must be larger"],
    ["17 stages: 1 to 16 expected", "stages", "17 stages: 1 to 16 expected"],
    ["query: tag 'a' is there twice", "query", "tag 'a' is there twice"],
    ["body.look_s: 1 to 3600 expected", "look_s", "1 to 3600 expected"],
    ["device cam-1 is part of rollout r1", "", "device cam-1 is part of rollout r1"],
  ];
  it.each(cases)("%s", (detail, field, text) => {
    expect(fieldOf(detail)).toEqual({ field, text });
  });
});
