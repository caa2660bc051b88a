// A new rollout: all that the hub takes, and, while it is filled in, what would come of it.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ask, part, type Problem } from "../api";
import { useAct, useData } from "../data";
import { count, duration } from "../format";
import { t } from "../i18n";
import { go, link } from "../route";
import { session } from "../session";
import { stageName } from "../stage";
import type { DevicesPage, GroupsPage, Model, ModelsPage, Rollout, RolloutPreview } from "../types";
import { Bar } from "../ui/bars";
import { Button, Card, Code, Empty, Field, Page, ProblemNotice } from "../ui/parts";
import { said } from "../why";
import { versionsOf } from "./models";
import {
  commandOf,
  emptyOrder,
  fieldOf,
  measures,
  orderOf,
  weekDays,
  type OrderForm,
} from "./order";
import { Stages } from "./stage_rows";

const quietMs = 400; // after the last key

interface Seen {
  of: string; // the order
  preview?: RolloutPreview;
  problem?: Problem;
}

// What the hub says of the order as it stands: nothing until a release is named. `asks`: it has not
// said so yet, and what it said is of the order before.
function usePreview(form: OrderForm): Seen & { asks: boolean } {
  const [seen, setSeen] = useState<Seen>({ of: "" });
  const order = orderOf(form);
  const text = JSON.stringify(order);
  const named = order.model !== "" && order.version !== "";
  useEffect(() => {
    if (!named) {
      setSeen({ of: text });
      return;
    }
    let live = true;
    const timer = setTimeout(async () => {
      try {
        const preview = await ask<RolloutPreview>("POST", "/v1/rollout-previews", order);
        if (live) setSeen({ of: text, preview });
      } catch (problem) {
        if (live) setSeen({ of: text, problem: problem as Problem });
      }
    }, quietMs);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [text]);
  return { ...seen, asks: named && seen.of !== text };
}

const draftKey = "polder.rollout";

// What was filled in when a session ended comes back with the next one, in this tab.
function useDraft(model: string, version: string) {
  const [form, setForm] = useState<OrderForm>(() => {
    const empty = emptyOrder(model, version);
    try {
      const draft = JSON.parse(sessionStorage.getItem(draftKey) ?? "null") as OrderForm | null;
      return draft ? { ...empty, ...draft } : empty;
    } catch {
      return empty;
    }
  });
  useEffect(() => sessionStorage.setItem(draftKey, JSON.stringify(form)), [form]);
  // Who goes elsewhere has done with it.
  useEffect(
    () => () => {
      if (session.get()) sessionStorage.removeItem(draftKey);
    },
    [],
  );
  return [form, setForm] as const;
}

export function NewRollout(props: { query: URLSearchParams }) {
  const [form, setForm] = useDraft(
    props.query.get("model") ?? "",
    props.query.get("version") ?? "",
  );
  const change = (some: Partial<OrderForm>) => setForm((last) => ({ ...last, ...some }));
  const { preview, problem: foreseen, asks } = usePreview(form);
  const { busy, problem: answer, act } = useAct();
  const [sent, setSent] = useState<OrderForm | null>(null);
  const refused = sent === form ? answer : null; // of what was changed since it says nothing
  const page = useRef<HTMLFormElement>(null);
  const problem = foreseen ?? refused;
  const wrong = problem ? fieldOf(problem.message) : { field: "", text: "" };
  const start = async () => {
    setSent(form);
    const done = await act(async () => {
      const made = await ask<Rollout>("POST", "/v1/rollouts", orderOf(form));
      go(link(["rollouts", made.id]));
    });
    if (!done) page.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  };
  const errorOf = (field: string) => (wrong.field === field ? wrong.text : undefined);
  const fields = { form, change, errorOf };
  return (
    <Page
      title={t("rollouts.new")}
      kicker={<a href={link(["rollouts"])}>{t("rollouts.title")}</a>}
    >
      <form
        ref={page}
        class="with-aside"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <div>
          <ReleaseFields {...fields} />
          <DeviceFields {...fields} />
          <Stages
            own={form.own}
            stages={form.stages}
            previewed={preview?.stages}
            errorOf={errorOf}
            onChange={change}
          />
          <GateFields {...fields} />
          <TimeFields {...fields} />
        </div>
        <aside class="stays" aria-label={t("order.preview")}>
          <Card title={t("order.preview")}>
            {asks && <p class="hint">{t("order.preview.asks")}</p>}
            <div aria-live="polite" aria-busy={asks} class={asks ? "stale" : undefined}>
              {preview ? (
                <Preview preview={preview} />
              ) : problem ? (
                <ProblemNotice problem={problem} />
              ) : (
                <Empty>{t("order.preview.none")}</Empty>
              )}
            </div>
            {preview && refused && <ProblemNotice problem={refused} />}
            <Button type="submit" kind="main" needs="operator" disabled={busy}>
              {t("rollouts.start")}
            </Button>
          </Card>
          {preview && (
            <Card title={t("order.command")}>
              <Code text={commandOf(orderOf(form))} label={t("order.command")} />
            </Card>
          )}
        </aside>
      </form>
    </Page>
  );
}

interface Fields {
  form: OrderForm;
  change: (some: Partial<OrderForm>) => void;
  errorOf: (field: string) => string | undefined;
}

type Texts = {
  [Name in keyof OrderForm]: OrderForm[Name] extends string ? Name : never;
}[keyof OrderForm];

// A field of one text of the order, with what the hub says of it.
function Text(
  props: Fields & {
    name: Texts;
    label: string;
    hint?: string;
    type?: string;
    required?: boolean;
    choices?: string[];
    names?: Record<string, string>; // of choices
    [other: string]: unknown;
  },
) {
  const { form, change, errorOf, name, label, hint, choices, names, ...rest } = props;
  const list = `choices-of-${name}`;
  return (
    <Field label={label} hint={hint} error={errorOf(name)}>
      {(ids) => (
        <>
          <input
            {...ids}
            {...rest}
            list={choices?.length ? list : undefined}
            value={form[name]}
            onInput={(event) => change({ [name]: event.currentTarget.value })}
            spellcheck={false}
            autocomplete="off"
          />
          {choices && choices.length > 0 && (
            <datalist id={list}>
              {choices.map((one) => (
                <option key={one} value={one} label={names?.[one]} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

// One that is on or off.
function Check(props: Fields & { name: "one_way" | "unpublished" }) {
  const { form, change, name } = props;
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={form[name]}
        onChange={(event) => change({ [name]: event.currentTarget.checked })}
      />
      {t(`order.${name}`)}
    </label>
  );
}

function ReleaseFields(props: Fields) {
  const models = useData<ModelsPage>("/v1/models?limit=1000");
  const name = props.form.model.trim();
  const known = models.data?.models.some((one) => one.name === name);
  const model = useData<Model>(known ? `/v1/models/${part(name)}` : null);
  const versions = model.data ? versionsOf(model.data) : [];
  return (
    <Card title={t("device.release")}>
      <div class="fields">
        <Text
          {...props}
          name="model"
          label={t("rollouts.model")}
          required
          choices={models.data?.models.map((one) => one.name)}
        />
        <Text {...props} name="version" label={t("rollouts.version")} required choices={versions} />
        <Text
          {...props}
          name="other_version"
          label={t("order.other")}
          hint={t("order.other.hint")}
          choices={versions.filter((one) => one !== props.form.version.trim())}
        />
      </div>
    </Card>
  );
}

function DeviceFields(props: Fields) {
  const groups = useData<GroupsPage>("/v1/groups").data?.groups ?? [];
  const devices = useData<DevicesPage>("/v1/devices?limit=200");
  const tags = devices.data?.devices.flatMap((one) =>
    Object.entries(one.tags ?? {}).map(([name, value]) => `${name}=${value}`),
  );
  return (
    <Card title={t("devices.title")}>
      <div class="fields">
        <Text
          {...props}
          name="query"
          label={t("rollouts.query")}
          hint={t("devices.search.hint")}
          choices={[...new Set([...groups.map((one) => one.query), ...(tags ?? []).sort()])]}
          names={Object.fromEntries(groups.map((one) => [one.query, one.name]))}
        />
      </div>
      <Group legend={t("rollout.abort")} hint={t("order.one_way.hint")}>
        <Check {...props} name="one_way" />
      </Group>
    </Card>
  );
}

function GateFields(props: Fields) {
  const { form, change, errorOf } = props;
  const toggle = (measure: string) =>
    change({
      measures: form.measures.includes(measure)
        ? form.measures.filter((one) => one !== measure)
        : [...form.measures, measure],
    });
  return (
    <Card title={t("rollout.gate")}>
      <Group
        legend={t("order.measures")}
        hint={t("order.measures.hint")}
        error={errorOf("measures")}
      >
        {measures.map((measure) => (
          <label key={measure} class="check">
            <input
              type="checkbox"
              checked={form.measures.includes(measure)}
              onChange={() => toggle(measure)}
            />
            {t(`measure.${measure}`)}
          </label>
        ))}
      </Group>
      <div class="fields">
        <Text
          {...props}
          name="strata"
          label={t("order.strata")}
          hint={t("order.strata.hint")}
        />
        <Text
          {...props}
          name="look_s"
          label={t("order.look")}
          hint={t("order.look.hint")}
          type="number"
          min={1}
          max={3600}
        />
        <Text
          {...props}
          name="history_looks"
          label={t("order.history")}
          hint={t("order.history.hint")}
          type="number"
          min={0}
          max={10_000}
        />
      </div>
    </Card>
  );
}

function Group(props: {
  legend: string;
  hint?: string;
  error?: string;
  children: ComponentChildren;
}) {
  const note = useId();
  return (
    <fieldset class="group-of" aria-describedby={note}>
      <legend>{props.legend}</legend>
      <div class="row">{props.children}</div>
      {(props.error ?? props.hint) && (
        <p id={note} class={props.error ? "field-error" : "hint"}>
          {props.error ?? props.hint}
        </p>
      )}
    </fieldset>
  );
}

function TimeFields(props: Fields) {
  const { form, change, errorOf } = props;
  const toggle = (day: string) =>
    change({
      days: form.days.includes(day) ? form.days.filter((one) => one !== day) : [...form.days, day],
    });
  return (
    <Card title={t("order.times")}>
      <p class="hint">{t("order.times.hint")}</p>
      <div class="fields">
        <Text {...props} name="from" label={t("order.from")} placeholder="22:00" />
        <Text {...props} name="to" label={t("order.to")} placeholder="05:00" />
        <Text
          {...props}
          name="zone"
          label={t("order.zone")}
          placeholder="UTC"
          choices={Intl.supportedValuesOf("timeZone")}
        />
        <Text
          {...props}
          name="not_before"
          label={t("order.not_before")}
          placeholder="2027-01-11 00:00"
        />
      </div>
      <Group legend={t("order.days")} hint={t("order.days.hint")} error={errorOf("days")}>
        {weekDays.map((day) => (
          <label key={day} class="check">
            <input
              type="checkbox"
              checked={form.days.includes(day)}
              onChange={() => toggle(day)}
            />
            {t(`day.${day}`)}
          </label>
        ))}
      </Group>
      <Group legend={t("order.begin")} hint={t("order.unpublished.hint")}>
        <Check {...props} name="unpublished" />
      </Group>
    </Card>
  );
}

function Preview(props: { preview: RolloutPreview }) {
  const { devices, stages, notes, why, least_minutes } = props.preview;
  const quiet = props.preview.least_minutes_without_errors;
  return (
    <>
      <p>
        {t("order.preview.devices", {
          n: count(devices.matching),
          there: count(devices.there),
          running: count(devices.running),
        })}
        {devices.unable ? ` ${t("order.preview.unable", { n: count(devices.unable) })}` : ""}
        {` ${t("order.preview.least", { time: duration(least_minutes) })}`}
        {quiet && duration(quiet) !== duration(least_minutes)
          ? ` ${t("order.preview.quiet", { time: duration(quiet) })}`
          : ""}
        {quiet ? ` ${t("order.preview.proven")}` : ""}
      </p>
      <table class="holds">
        <caption class="unseen">{t("order.preview.stages")}</caption>
        <thead class="unseen">
          <tr>
            <th scope="col">{t("rollouts.stage")}</th>
            <th scope="col">{t("devices.title")}</th>
            <th scope="col">{t("fleet.share")}</th>
          </tr>
        </thead>
        <tbody>
          {stages.map((stage, i) => (
            <tr key={i}>
              <th scope="row">{stageName(stage)}</th>
              <td class="end">{count(stage.holds)}</td>
              <td>
                <Bar value={stage.holds} of={devices.matching} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {notes.length > 0 && (
        <ul class="notice warn">
          {notes.map((note, i) => (
            <li key={note}>{why?.[i] ? said(why[i]) : note}</li>
          ))}
        </ul>
      )}
    </>
  );
}
