// One rollout, live: its stages, what its gate knows, what people can do.
import { useEffect, useState } from "preact/hooks";
import { address, ask, part, type Problem } from "../api";
import { useAct, useData } from "../data";
import { count, dateTime } from "../format";
import { t, word } from "../i18n";
import { measureName } from "../measure";
import { link } from "../route";
import { stageName } from "../stage";
import type { Looks, Measure, Rollout, RolloutDevicesPage, Stage } from "../types";
import { Evidence, Ratio } from "../ui/bars";
import { Chart } from "../ui/chart";
import { Confirm } from "../ui/dialog";
import { Badge, Button, Card, Empty, Field, Notice, Page, Show, Time, type Tone }
  from "../ui/parts";
import { cursorOf, Table } from "../ui/table";
import { failureIn, said, saidIn } from "../why";
import { DeviceLink, Phase, ReleaseLink } from "./common";
import { isKnown } from "./measures";
import { daysText, weekDays } from "./order";

const everyMs = 3_000;
// A gate's, where its stage says nothing else (src/hub/gate.h).
const usual = { abort_at: 40, promote_at: 20, margin: 1.25 };
const verdictTones: Record<string, Tone> = { hold: "info", promote: "good", abort: "bad" };

type Order = "pause" | "resume" | "abort";

// Each look is asked for once: what was shown stays, and what came after it is added.
function useLooks(path: string): { data?: Looks; problem?: Problem } {
  const [looks, setLooks] = useState<Looks["looks"]>([]);
  const last = looks.at(-1)?.time ?? "";
  const { data, problem } = useData<Looks>(address(path, { after: last }), everyMs);
  useEffect(() => {
    const more = data?.looks.filter((one) => one.time > last) ?? [];
    if (more.length > 0) setLooks([...looks, ...more]);
  }, [data]);
  return { data: data || looks.length > 0 ? { looks } : undefined, problem };
}

export function RolloutPage(props: { id: string }) {
  const path = `/v1/rollouts/${part(props.id)}`;
  const rollout = useData<Rollout>(path, everyMs);
  const looks = useLooks(`${path}/looks`);
  const [order, setOrder] = useState<Order | "">("");
  const { data } = rollout;
  const over = data !== undefined && isOver(data);
  const orders: Order[] = data?.phase === "paused" ? ["resume", "abort"] : ["pause", "abort"];
  return (
    <Page
      title={data ? `${data.id}: ${data.model} ${data.version}` : props.id}
      kicker={<a href={link(["rollouts"])}>{t("rollouts.title")}</a>}
      actions={
        data && (
          <>
            <Phase value={data.phase} />
            {!over &&
              orders.map((one) => (
                <Button
                  key={one}
                  kind={one === "abort" ? "danger" : "plain"}
                  needs="operator"
                  onClick={() => setOrder(one)}
                >
                  {t(`rollout.${one}`)}
                </Button>
              ))}
          </>
        )
      }
    >
      <Show data={data} problem={rollout.problem}>
        {(one) => (
          <>
            {one.reason && (
              <Notice tone={one.phase === "aborted" ? "bad" : "warn"}>
                {saidIn(one.reason, one.why)}
              </Notice>
            )}
            {one.trouble && (
              <Notice tone="bad">{t("rollout.trouble", { why: one.trouble })}</Notice>
            )}
            <ul class="intro row">
              <li>
                <ReleaseLink model={one.model} version={one.version} />
              </li>
              {one.other_version && (
                <li>
                  A/B <ReleaseLink model={one.model} version={one.other_version} />
                </li>
              )}
              {one.query && (
                <li>
                  <a class="tag" href={link(["devices"], { query: one.query })}>
                    {one.query}
                  </a>
                </li>
              )}
              {one.window && <li>{windowText(one.window, over)}</li>}
              {one.not_before && (
                <li>
                  {t("rollout.not_before")} <Time value={one.not_before} />
                </li>
              )}
              <li>
                {t("rollouts.created")} <Time value={one.created} />{" "}
                {one.created_by && t("release.by", { name: one.created_by })}
              </li>
              {one.ended && (
                <li>
                  {t("rollout.ended")} <Time value={one.ended} />
                </li>
              )}
            </ul>
            <Stages rollout={one} />
            <ul class="figures">
              {figuresOf(one).map((name) => (
                <li key={name}>
                  <span class="figure-name">
                    {name === "running" && over
                      ? t("rollout.devices.now")
                      : t(`rollout.devices.${name}`)}
                  </span>
                  <span class={name === "failed" && one.devices?.failed ? "figure bad" : "figure"}>
                    {one.devices?.[name] == null ? "–" : count(one.devices[name])}
                  </span>
                </li>
              ))}
            </ul>
            <Gate rollout={one} />
            <Card title={t("rollout.looks")}>
              <Show data={looks.data} problem={looks.problem}>
                {(all) => <LooksChart looks={all} rollout={one} />}
              </Show>
            </Card>
            <div class="columns">
              <Card title={t("rollout.history")}>
                <History rollout={one} />
              </Card>
              <Card title={t("rollout.devices.list")}>
                <RolloutDevices path={path} over={over} />
              </Card>
            </div>
          </>
        )}
      </Show>
      {order && (
        <GiveOrder
          path={path}
          order={order}
          onClose={() => setOrder("")}
          onDone={() => {
            setOrder("");
            rollout.again();
          }}
        />
      )}
    </Page>
  );
}

function isOver(rollout: Rollout): boolean {
  return rollout.phase === "done" || rollout.phase === "aborted";
}

// What devices are to run is no longer a matter of one that is over.
function figuresOf(rollout: Rollout): ("matching" | "wanted" | "running" | "failed")[] {
  return isOver(rollout)
    ? ["matching", "running", "failed"]
    : ["matching", "wanted", "running", "failed"];
}

function windowText(window: NonNullable<Rollout["window"]>, over: boolean): string {
  const { days, open, opens, ...hours } = window;
  const each = days.length === weekDays.length;
  const text = t("rollout.window", {
    ...hours,
    days: each ? t("day.each") : daysText(days, (day) => word("day", day)),
  });
  if (over) return text;
  // Of a zone that the hub does not know it is closed, and nobody knows until when.
  if (!opens) return open === false ? `${text}; ${t("rollout.window.closed")}` : text;
  return `${text}; ${t("rollout.window.opens", { time: dateTime(opens, window.zone) })}`;
}

function rulesOf(rollout: Rollout): typeof usual {
  const stage: Stage = rollout.stages?.[rollout.stage] ?? {};
  return {
    abort_at: stage.abort_at ?? usual.abort_at,
    promote_at: stage.promote_at ?? usual.promote_at,
    margin: stage.margin ?? usual.margin,
  };
}

function stateOf(rollout: Rollout, i: number): "done" | "now" | "ahead" | "stopped" {
  if (rollout.phase === "done" || i < rollout.stage) return "done";
  if (i > rollout.stage) return "ahead";
  return rollout.phase === "aborted" ? "stopped" : "now";
}

function Stages(props: { rollout: Rollout }) {
  const { rollout } = props;
  if (!rollout.stages?.length) return null;
  return (
    <ol class="stages" aria-label={t("rollout.stages")}>
      {rollout.stages.map((stage, i) => {
        const state = stateOf(rollout, i);
        return (
          <li key={i} class={state} aria-current={state === "now" ? "step" : undefined}>
            <b>{stageName(stage)}</b>
            <span>{t(`rollout.stage.${state}`)}</span>
          </li>
        );
      })}
    </ol>
  );
}

// Of one that is over only the evidence stays, as its last look found it: why it ended stands
// above, and nothing waits any more.
function Gate(props: { rollout: Rollout }) {
  const { rollout } = props;
  const { gate } = rollout;
  const over = isOver(rollout);
  const title = t(over ? "rollout.gate.last" : "rollout.gate");
  if (!gate)
    return (
      <Card title={title}>
        <Empty>{t("rollout.gate.none")}</Empty>
      </Card>
    );
  const measures = gate.measures ?? [];
  return (
    <Card
      title={title}
      actions={
        !over && (
          <Badge tone={verdictTones[gate.verdict] ?? "quiet"}>
            {word("verdict", gate.verdict)}
          </Badge>
        )
      }
    >
      {!over && gate.reasons && gate.reasons.length > 0 && (
        <ul class="reasons">
          {gate.reasons.map((reason, i) => (
            <li key={reason}>{gate.why?.[i] ? said(gate.why[i]) : reason}</li>
          ))}
        </ul>
      )}
      {rollout.silent && rollout.silent.length > 0 && (
        <ul class="reasons">
          {rollout.silent.map(({ device, seen }) => (
            <li key={device}>
              <a href={link(["devices", device])}>
                {t("rollout.gate.silent", { device, time: seen ? dateTime(seen) : "–" })}
              </a>
            </li>
          ))}
        </ul>
      )}
      {gate.time && (
        <p class="quiet">
          {t("rollout.gate.as_of")} <Time value={gate.time} />
          {rollout.next_look && (
            <>
              {" · "}
              {t("rollout.gate.next")} <Time value={rollout.next_look} />
            </>
          )}
          {rollout.least_end && (
            <>
              {" · "}
              {t("rollout.gate.least")} <Time value={rollout.least_end} />
            </>
          )}
        </p>
      )}
      {measures.length === 0 ? (
        <Empty>{t(over ? "rollout.measures.never" : "rollout.measures.none")}</Empty>
      ) : (
        <>
          {measures.length > 1 && gate.evidence != null && (
            <p class="row">
              {t("rollout.evidence")}{" "}
              <Evidence value={gate.evidence} at={rulesOf(rollout).abort_at} tone="bad" />
            </p>
          )}
          <Measures measures={measures} rules={rulesOf(rollout)} />
        </>
      )}
    </Card>
  );
}

function Measures(props: { measures: Measure[]; rules: typeof usual }) {
  const { rules } = props;
  return (
    <Table
      caption={t("rollout.measures")}
      rows={props.measures}
      keyOf={(one) => one.name}
      columns={[
        {
          head: t("rollout.measure"),
          cell: (one) => (
            <>
              <b>{measureName(one.name)}</b>
              {one.than && (
                <>
                  <br />
                  <small class="quiet">{t("rollout.than", { than: word("than", one.than) })}</small>
                </>
              )}
            </>
          ),
          shrink: true,
        },
        {
          head: t("rollout.ratio"),
          cell: (one) =>
            isKnown(one) ? (
              <Ratio
                ratio={one.ratio}
                low={one.low}
                high={one.high}
                margin={one.than === "allowed" ? 1 : rules.margin}
              />
            ) : (
              <span class="quiet">{t("rollout.ratio.unknown")}</span>
            ),
        },
        {
          head: (
            <>
              {t("rollout.worse")}
              {rules.abort_at > 1 && (
                <small>{t("rollout.worse.hint", { at: rules.abort_at })}</small>
              )}
            </>
          ),
          cell: (one) => <Evidence value={one.worse} at={rules.abort_at} tone="bad" />,
        },
        {
          head: (
            <>
              {t("rollout.acceptable")}
              {rules.promote_at > 1 && (
                <small>{t("rollout.acceptable.hint", { at: rules.promote_at })}</small>
              )}
            </>
          ),
          cell: (one) => <Evidence value={one.acceptable} at={rules.promote_at} tone="good" />,
        },
        {
          head: t("rollout.trials"),
          cell: (one) =>
            t("rollout.trials.text", {
              canary: count(one.canary_trials ?? 0),
              control: count(one.control_trials ?? 0),
            }),
        },
      ]}
    />
  );
}

function LooksChart(props: { looks: Looks; rollout: Rollout }) {
  const { looks } = props.looks;
  const names = [...new Set(looks.flatMap((look) => look.measures.map((one) => one.name)))];
  if (names.length === 0) return <Empty>{t("rollout.looks.none")}</Empty>;
  const rules = rulesOf(props.rollout);
  const of = (name: string, pick: (one: Measure) => number) =>
    looks.map((look) => {
      const found = look.measures.find((one) => one.name === name);
      return found ? Math.max(0.01, pick(found)) : null; // the scale has no 0
    });
  const times = looks.map((look) => Date.parse(look.time) / 1000);
  const each = names.map((name) => ({
    label: measureName(name),
    values: of(name, (one) => one.worse),
  }));
  // What stops a rollout: see add_evidence in src/hub/gate.cpp.
  const all = {
    label: t("rollout.evidence.all"),
    values: looks.map((look) => look.measures.reduce((sum, one) => sum + one.worse, 0.01)),
  };
  return (
    <div class="charts">
      <Chart
        title={t("rollout.worse")}
        times={times}
        logarithmic
        series={names.length > 1 ? [...each, all] : each}
        lines={[{ at: rules.abort_at, label: t("verdict.abort"), bad: true }]}
      />
      <Chart
        title={t("rollout.acceptable")}
        times={times}
        logarithmic
        series={names.map((name) => ({
          label: measureName(name),
          values: of(name, (one) => one.acceptable),
        }))}
        lines={
          rules.promote_at > 1 ? [{ at: rules.promote_at, label: t("verdict.promote") }] : []
        }
      />
    </div>
  );
}

function History(props: { rollout: Rollout }) {
  const rows = [...(props.rollout.history ?? [])].reverse();
  if (rows.length === 0) return <Empty>{t("rollout.history.none")}</Empty>;
  return (
    <Table
      caption={t("rollout.history")}
      rows={rows}
      keyOf={(_, i) => String(rows.length - i)}
      columns={[
        { head: t("common.time"), cell: (one) => <Time value={one.time} />, shrink: true },
        {
          head: t("rollout.history.what"),
          // Of an end it names the gate's reasons.
          cell: (one) => (
            <span class="prose">
              {saidIn(one.why ? said(one.why) : one.what, props.rollout.why)}
            </span>
          ),
        },
        { head: t("rollout.history.actor"), cell: (one) => one.actor || "–", shrink: true },
      ]}
    />
  );
}

function RolloutDevices(props: { path: string; over: boolean }) {
  const [after, setAfter] = useState("");
  const page = useData<RolloutDevicesPage>(
    address(`${props.path}/devices`, { limit: 20, after }),
    10_000,
  );
  const next = cursorOf(page.data?.next, "after");
  return (
    <Show data={page.data} problem={page.problem}>
      {(data) =>
        data.devices.length === 0 ? (
          <Empty>{t("rollout.devices.none")}</Empty>
        ) : (
          <>
            <Table
              caption={t("rollout.devices.list")}
              rows={data.devices}
              keyOf={(one) => one.device}
              columns={[
                {
                  head: t("devices.id"),
                  cell: (one) => <DeviceLink id={one.device} />,
                  shrink: true,
                },
                {
                  head: t(props.over ? "rollout.device.ended" : "rollout.device.wanted"),
                  cell: (one) =>
                    word("wanted", one.wanted, {
                      version: (one.wanted === "old" ? one.old_version : one.new_version) ?? "",
                    }),
                },
                {
                  head: t(props.over ? "rollout.device.now" : "rollout.device.running"),
                  cell: (one) => one.running ?? "–",
                },
                {
                  head: t("rollout.device.failure"),
                  cell: (one) =>
                    one.failure ? (
                      <Badge tone="bad">{failureIn(one.failure)}</Badge>
                    ) : one.trouble ? (
                      <span class="prose">{failureIn(one.trouble)}</span>
                    ) : (
                      "–"
                    ),
                },
              ]}
            />
            <div class="pager">
              {after && <Button onClick={() => setAfter("")}>{t("common.first")}</Button>}
              {next && <Button onClick={() => setAfter(next)}>{t("common.next")}</Button>}
            </div>
          </>
        )
      }
    </Show>
  );
}

function GiveOrder(props: {
  path: string;
  order: Order;
  onClose: () => void;
  onDone: () => void;
}) {
  const { order } = props;
  const [reason, setReason] = useState("");
  const [error, setError] = useState("");
  const { busy, problem, act } = useAct();
  const give = async () => {
    if (order !== "resume" && reason.trim() === "") {
      setError(t("rollout.reason.needed"));
      return;
    }
    const body = order === "resume" ? undefined : { reason: reason.trim() };
    if (await act(async () => void (await ask("POST", `${props.path}/${order}`, body))))
      props.onDone();
  };
  return (
    <Confirm
      title={t(`rollout.${order}.title`)}
      text={t(`rollout.${order}.text`)}
      confirm={t(`rollout.${order}`)}
      danger={order === "abort"}
      busy={busy}
      problem={problem}
      onConfirm={() => void give()}
      onClose={props.onClose}
    >
      {order !== "resume" && (
        <Field label={t("common.reason")} error={error}>
          {(ids) => (
            <input
              {...ids}
              value={reason}
              maxLength={200}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          )}
        </Field>
      )}
    </Confirm>
  );
}
