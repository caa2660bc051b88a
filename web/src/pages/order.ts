// What somebody fills in for a rollout: as the hub takes it, as a command, and where a refusal of
// the hub belongs.

export interface StageForm {
  shadow: boolean;
  size: string;
  unit: "devices" | "percent";
  least_minutes: string;
  least_observations: string;
  margin: string;
  negligible: string;
  errors_an_hour: string;
  allowed: string; // of shadows alone
  failures: string;
}

export const measures = [
  "errors",
  "slow frames",
  "empty frames",
  "frames that differ",
  "slower frames",
] as const;
export const rules = [
  "least_observations",
  "margin",
  "negligible",
  "errors_an_hour",
  "failures",
] as const;
export type Rule = (typeof rules)[number] | "allowed";
export function rulesOf(stage: StageForm): readonly Rule[] {
  return stage.shadow ? ["allowed", ...rules] : rules;
}

export const weekDays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

// "mon-fri", "sat,sun", "fri-mon": days in a row, also over the end of the week.
export function daysText(days: readonly string[], name = (day: string) => day): string {
  const all = weekDays.length;
  const on = (i: number) => days.includes(weekDays[i % all]!);
  const first = weekDays.findIndex((_, i) => !on(i + all - 1));
  const runs: string[] = [];
  for (let i = Math.max(first, 0), end = i + all; i < end; ++i) {
    if (!on(i)) continue;
    const from = i;
    while (i + 1 < end && on(i + 1)) ++i;
    const [begin, last] = [name(weekDays[from % all]!), name(weekDays[i % all]!)];
    runs.push(i === from ? begin : `${begin}${i > from + 1 ? "-" : ","}${last}`);
  }
  return runs.join(",");
}

// Texts as they stand in the fields; empty: as the hub does usually.
export interface OrderForm {
  model: string;
  version: string;
  other_version: string; // of A/B
  query: string;
  strata: string; // a tag
  own: boolean; // stages of one's own
  stages: StageForm[];
  measures: string[];
  look_s: string;
  history_looks: string;
  from: string; // of the window, "22:00"
  to: string;
  days: string[]; // of the window
  zone: string; // of its times; empty: UTC
  not_before: string; // "2027-01-11 00:00", in UTC
  one_way: boolean;
  unpublished: boolean;
}

export function stageForm(size: string, unit: StageForm["unit"], shadow = false): StageForm {
  const none = { least_observations: "", margin: "", negligible: "", errors_an_hour: "" };
  return { shadow, size, unit, least_minutes: "", ...none, allowed: "", failures: "" };
}

export function emptyOrder(model: string, version: string): OrderForm {
  return {
    model,
    version,
    other_version: "",
    query: "",
    strata: "",
    own: false,
    stages: [
      stageForm("1", "devices", true),
      stageForm("1", "devices"),
      stageForm("3", "devices"),
      stageForm("10", "percent"),
      stageForm("50", "percent"),
      stageForm("100", "percent"),
    ],
    measures: [...measures],
    look_s: "",
    history_looks: "",
    from: "",
    to: "",
    days: [...weekDays],
    zone: "",
    not_before: "",
    one_way: false,
    unpublished: false,
  };
}

export interface WindowOrder {
  days?: string[];
  from: string;
  to: string;
  zone?: string;
}
export type Order = { model: string; version: string } & Record<string, unknown>;
type Fields = Record<string, unknown>;

function stageOf(form: StageForm): Fields {
  const stage: Fields = form.shadow ? { shadow: true } : {};
  stage[form.unit] = Number(form.size);
  for (const name of ["least_minutes", ...rulesOf(form)] as const)
    if (form[name].trim() !== "") stage[name] = Number(form[name]);
  return stage;
}

// As the hub writes it; what is no time is for the hub to refuse.
function timeOf(text: string): string {
  const found = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d)?Z?$/.exec(text);
  return found ? `${found[1]}T${found[2]}${found[3] ?? ":00"}Z` : text;
}

// What stands in no field is left to the hub.
export function orderOf(form: OrderForm): Order {
  const order: Order = { model: form.model.trim(), version: form.version.trim() };
  for (const name of ["other_version", "query", "strata"] as const)
    if (form[name].trim() !== "") order[name] = form[name].trim();
  if (form.own) order["stages"] = form.stages.map(stageOf);
  if (form.measures.length < measures.length)
    order["measures"] = measures.filter((one) => form.measures.includes(one));
  for (const name of ["look_s", "history_looks"] as const)
    if (form[name].trim() !== "") order[name] = Number(form[name]);
  const [from, to] = [form.from.trim(), form.to.trim()];
  const zone = form.zone.trim();
  const each = form.days.length === weekDays.length;
  if (from || to || zone || !each)
    order["window"] = {
      from,
      to,
      ...(each ? {} : { days: weekDays.filter((day) => form.days.includes(day)) }),
      ...(zone ? { zone } : {}),
    } satisfies WindowOrder;
  if (form.not_before.trim()) order["not_before"] = timeOf(form.not_before.trim());
  for (const name of ["one_way", "unpublished"] as const) if (form[name]) order[name] = true;
  return order;
}

function quoted(text: string): string {
  return /^[\w.,:=%/+-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}

function stageText(stage: Fields): string {
  const { shadow, devices, percent, ...others } = stage;
  const size = devices === undefined ? `${percent as number}%` : String(devices);
  const words = Object.entries(others).map(([name, value]) => `${name}=${value as number}`);
  return [...(shadow ? ["shadow"] : []), size, ...words].join(" ");
}

// The same for a shell.
export function commandOf(order: Order): string {
  const words = ["polder", "rollout", "create", order.model, order.version];
  const add = (option: string, value: unknown) => words.push(option, String(value));
  const stages = order["stages"] as Fields[] | undefined;
  const compared = order["measures"] as string[] | undefined;
  const window = order["window"] as WindowOrder | undefined;
  if (order["other_version"]) add("--other-version", order["other_version"]);
  if (order["query"]) add("--query", order["query"]);
  if (order["strata"]) add("--strata", order["strata"]);
  if (stages) add("--stages", stages.map(stageText).join(", "));
  if (compared) add("--measures", compared.join(", ") || "none");
  if (order["look_s"] !== undefined) add("--look-s", order["look_s"]);
  if (order["history_looks"] !== undefined) add("--history-looks", order["history_looks"]);
  if (window) {
    const { days, from, to, zone } = window;
    const parts = [days && daysText(days), `${from}-${to}`, zone];
    add("--window", parts.filter(Boolean).join(" "));
  }
  if (order["not_before"]) add("--not-before", order["not_before"]);
  if (order["one_way"]) words.push("--one-way");
  if (order["unpublished"]) words.push("--unpublished");
  return words.map(quoted).join(" ");
}

// Where a refusal of the hub belongs: "body.window.from: ..." is of the field "from", what it says
// of a stage of "stages.2" (from 0). Nothing: it is of the whole.
export function fieldOf(detail: string): { field: string; text: string } {
  const stage = /^body\.stages\[(\d+)\](?:\.\w+)?: (.*)$/s.exec(detail);
  if (stage) return { field: `stages.${stage[1]}`, text: stage[2]! };
  const placed = /^stage (\d+)\b/.exec(detail);
  if (placed) return { field: `stages.${Number(placed[1]) - 1}`, text: detail };
  if (/^\d+ stages: /.test(detail)) return { field: "stages", text: detail };
  const query = /^query: (.*)$/s.exec(detail);
  if (query) return { field: "query", text: query[1]! };
  const member = /^body\.(\w+)(?:\.(\w+))?: (.*)$/s.exec(detail);
  if (!member) return { field: "", text: detail };
  const field = member[1] === "window" ? (member[2] ?? "from") : member[1]!;
  return { field, text: member[3]! };
}
