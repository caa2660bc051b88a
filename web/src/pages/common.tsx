// What several pages show in the same way.
import { t, word } from "../i18n";
import { link } from "../route";
import type { Alarm, Device } from "../types";
import { Badge, Empty, Time, type Tone } from "../ui/parts";
import { Table, type Column } from "../ui/table";

const healthTones: Record<string, Tone> = {
  well: "good",
  starting: "info",
  idle: "quiet",
  failed: "bad",
};

export function healthTone(health: string): Tone {
  return healthTones[health] ?? "quiet";
}

export function Health(props: { value: string }) {
  return <Badge tone={healthTone(props.value)}>{word("health", props.value)}</Badge>;
}

export function DeviceLink(props: { id: string }) {
  return <a href={link(["devices", props.id])}>{props.id}</a>;
}

export function ReleaseLink(props: { model?: string | null; version?: string | null }) {
  if (!props.model || !props.version) return <span class="quiet">–</span>;
  return (
    <a href={link(["releases", props.model, props.version])}>
      {props.model} {props.version}
    </a>
  );
}

export function DeviceState(props: { device: Device }) {
  const { device } = props;
  if (device.revoked) return <Badge tone="bad">{t("devices.state.revoked")}</Badge>;
  if (device.duplicate) return <Badge tone="warn">{t("devices.state.duplicate")}</Badge>;
  if (device.certificate_until && Date.parse(device.certificate_until) < Date.now())
    return <Badge tone="bad">{t("devices.state.expired")}</Badge>;
  return <Badge tone="good">{t("devices.state.enrolled")}</Badge>;
}

export function Tags(props: { tags: Record<string, string> | undefined }) {
  const all = Object.entries(props.tags ?? {});
  if (all.length === 0) return <span class="quiet">–</span>;
  return (
    <span class="tags">
      {all.map(([name, value]) => (
        <a key={name} class="tag" href={link(["devices"], { query: `${name}=${value}` })}>
          {name}={value}
        </a>
      ))}
    </span>
  );
}

export function Alarms(props: { alarms: Alarm[]; caption: string; none: string; device?: string }) {
  if (props.alarms.length === 0) return <Empty>{props.none}</Empty>;
  const columns: Column<Alarm>[] = [
    { head: t("common.time"), cell: (one) => <Time value={one.time} />, shrink: true },
    {
      head: t("audit.object"),
      cell: (one) => <Badge tone="bad">{word("alarm", one.what)}</Badge>,
      shrink: true,
    },
  ];
  if (!props.device)
    columns.push({
      head: t("devices.id"),
      cell: (one) => (one.device ? <DeviceLink id={one.device} /> : "–"),
      shrink: true,
    });
  columns.push(
    {
      head: t("device.unit"),
      cell: (one) => `${one.unit ?? ""} ${one.version ?? ""}`.trim() || "–",
      shrink: true,
    },
    { head: t("audit.details"), cell: (one) => <span class="prose">{one.text || "–"}</span> },
  );
  return (
    <Table
      caption={props.caption}
      rows={props.alarms}
      keyOf={(one, i) => `${one.time} ${one.device ?? ""} ${i}`}
      columns={columns}
    />
  );
}

const phaseTones: Record<string, Tone> = {
  running: "info",
  paused: "warn",
  aborted: "bad",
  done: "good",
};

export function Phase(props: { value: string }) {
  return <Badge tone={phaseTones[props.value] ?? "quiet"}>{word("phase", props.value)}</Badge>;
}

export function ReleaseState(props: { value: string }) {
  const tone = props.value === "published" ? "good" : props.value === "waiting" ? "warn" : "quiet";
  return <Badge tone={tone}>{word("release.state", props.value)}</Badge>;
}
