// One device: what it is, what it runs, how it goes.
import { useState } from "preact/hooks";
import { ask, part } from "../api";
import { useAct, useData } from "../data";
import { bytes, count } from "../format";
import { t } from "../i18n";
import { link } from "../route";
import type { Device, Machine, Unit } from "../types";
import { Confirm } from "../ui/dialog";
import { Badge, Button, Card, Empty, Facts, Field, Hash, Notice, Page, Show, Time }
  from "../ui/parts";
import { Table } from "../ui/table";
import { Alarms, DeviceState, Health, ReleaseLink, Tags } from "./common";
import { DeviceCharts } from "./device_charts";
import { parseTags } from "./tags";

export function DevicePage(props: { id: string }) {
  const device = useData<Device>(`/v1/devices/${part(props.id)}`, 10_000);
  const [asks, setAsks] = useState<"" | "revoke" | "tags">("");
  const [said, setSaid] = useState("");
  const { busy, problem, act } = useAct();
  const revoke = async () => {
    const done = await act(async () => {
      await ask("POST", `/v1/devices/${part(props.id)}/revoke`);
    });
    if (!done) return;
    setAsks("");
    setSaid(t("device.revoke.done", { id: props.id }));
    device.again();
  };
  const { data } = device;
  return (
    <Page
      title={props.id}
      kicker={<a href={link(["devices"])}>{t("devices.title")}</a>}
      actions={
        data && (
          <>
            <DeviceState device={data} />
            <Button
              kind="danger"
              needs="operator"
              disabled={data.revoked !== null}
              onClick={() => setAsks("revoke")}
            >
              {t("device.revoke")}
            </Button>
          </>
        )
      }
    >
      {said && <Notice tone="good">{said}</Notice>}
      <Show data={data} problem={device.problem}>
        {(one) => (
          <>
            {one.duplicate && <Notice tone="warn">{t("device.duplicate.text")}</Notice>}
            <div class="columns">
              <Card title={t("device.inventory")}>
                <Inventory device={one} />
              </Card>
              <Card
                title={t("device.tags")}
                actions={
                  one.tags && (
                    <Button
                      kind="quiet"
                      class="small"
                      needs="operator"
                      aria-label={t("device.tags.edit")}
                      onClick={() => setAsks("tags")}
                    >
                      {t("common.edit")}
                    </Button>
                  )
                }
              >
                <Tags tags={one.tags} />
              </Card>
            </div>
            <Card title={t("device.units")}>
              <Units units={one.units ?? []} />
            </Card>
            <DeviceCharts id={props.id} units={(one.units ?? []).map((unit) => unit.name)} />
            <Card title={t("device.alarms")}>
              <Alarms
                alarms={one.alarms ?? []}
                caption={t("device.alarms")}
                none={t("device.alarms.none")}
                device={props.id}
              />
            </Card>
          </>
        )}
      </Show>
      {asks === "revoke" && (
        <Confirm
          title={t("device.revoke.title", { id: props.id })}
          text={t("device.revoke.text")}
          confirm={t("device.revoke.confirm")}
          danger
          busy={busy}
          problem={problem}
          onConfirm={revoke}
          onClose={() => setAsks("")}
        />
      )}
      {asks === "tags" && data && (
        <EditTags
          device={data}
          onClose={() => setAsks("")}
          onDone={() => {
            setAsks("");
            device.again();
          }}
        />
      )}
    </Page>
  );
}

function Inventory(props: { device: Device }) {
  const { device } = props;
  return (
    <Facts
      rows={[
        [
          t("devices.seen"),
          <Time value={device.seen} fallback={t("common.never")} />,
        ],
        [t("device.program"), device.program ?? "–"],
        ...machineRows(device.machine),
        [t("device.enrolled"), <Time value={device.enrolled} />],
        [t("device.certificate"), <Time value={device.certificate_until} />],
        [t("device.key"), <Hash value={device.key} />],
        ...(device.revoked
          ? [[t("device.revoked"), <Time value={device.revoked} />] as [string, preact.VNode]]
          : []),
        ...(device.duplicate
          ? [[t("device.duplicate"), <Time value={device.duplicate} />] as [string, preact.VNode]]
          : []),
      ]}
    />
  );
}

function machineRows(machine: Machine | null | undefined): [string, preact.ComponentChildren][] {
  if (!machine) return [[t("device.machine"), t("device.machine.none")]];
  return [
    [
      t("device.machine"),
      t("device.machine.text", {
        cpu: machine.cpu || machine.architecture,
        n: count(machine.cpus),
        memory: bytes(machine.memory_bytes),
      }),
    ],
    [t("device.system"), machine.system || "–"],
    [t("device.kernel"), `${machine.kernel} ${machine.architecture}`],
    [
      t("device.targets"),
      <span class="tags">
        {machine.targets.map((one) => (
          <a key={one} class="tag" href={link(["devices"], { target: one })}>
            {one}
          </a>
        ))}
      </span>,
    ],
    [t("device.backends"), machine.backends.join(", ") || "–"],
    [t("device.plan_format"), String(machine.plan_format)],
    [
      t("device.operators"),
      <>
        {count(machine.operators.count)} <Hash value={machine.operators.sha256} />
      </>,
    ],
  ];
}

function Units(props: { units: Unit[] }) {
  if (props.units.length === 0) return <Empty>{t("device.units.none")}</Empty>;
  return (
    <Table
      caption={t("device.units")}
      rows={props.units}
      keyOf={(unit) => unit.name}
      columns={[
        { head: t("device.unit"), cell: (unit) => unit.name, shrink: true },
        {
          head: t("device.release"),
          cell: (unit) => <ReleaseLink model={unit.model} version={unit.version} />,
          shrink: true,
        },
        { head: t("device.health"), cell: (unit) => <Health value={unit.health} />, shrink: true },
        {
          head: t("device.frames"),
          cell: (unit) => (unit.frames === undefined ? "–" : count(unit.frames)),
          align: "end",
        },
        {
          head: t("device.crashes"),
          cell: (unit) =>
            unit.crashes ? <Badge tone="bad">{count(unit.crashes)}</Badge> : (unit.crashes ?? "–"),
          align: "end",
        },
        { head: t("device.reported"), cell: (unit) => <Time value={unit.reported} /> },
        { head: t("release.manifest"), cell: (unit) => <Hash value={unit.manifest} /> },
      ]}
    />
  );
}

function EditTags(props: { device: Device; onClose: () => void; onDone: () => void }) {
  const [text, setText] = useState(
    Object.entries(props.device.tags ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join("\n"),
  );
  const [error, setError] = useState("");
  const { busy, problem, act } = useAct();
  const save = async () => {
    const parsed = parseTags(text);
    if ("line" in parsed) {
      setError(t("device.tags.wrong", { line: parsed.line }));
      return;
    }
    setError("");
    const path = `/v1/devices/${part(props.device.id)}/tags`;
    if (await act(async () => void (await ask("PUT", path, parsed.tags)))) props.onDone();
  };
  return (
    <Confirm
      title={t("device.tags.edit")}
      text={t("device.tags.hint")}
      confirm={t("common.save")}
      busy={busy}
      problem={problem}
      onConfirm={save}
      onClose={props.onClose}
    >
      <Field label={t("device.tags")} error={error}>
        {(ids) => (
          <textarea
            {...ids}
            rows={6}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            spellcheck={false}
          />
        )}
      </Field>
    </Confirm>
  );
}
