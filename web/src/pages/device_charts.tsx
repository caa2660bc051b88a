// Latency, drift and frames of a device's unit over time.
import { useEffect, useState } from "preact/hooks";
import { address, askAll, part } from "../api";
import { useData } from "../data";
import { duration } from "../format";
import { t } from "../i18n";
import type { Window } from "../types";
import { Chart, type Series } from "../ui/chart";
import { Card, Empty, Show } from "../ui/parts";

const ranges = [1, 6, 24, 7 * 24, 30 * 24]; // hours
// The address stays the same for so long, and so does what is kept of it: of a long time little is
// new each minute, and all of it is much.
const steadyMs = (hours: number) => Math.max(60_000, hours * 5_000);

const readWindows = (path: string) => askAll<Window>(path, "windows");

// The same names in all windows, each with its values; null where a window has none.
export function seriesOf(
  windows: Window[],
  of: (one: Window) => { name: string; value: number | null }[],
): Map<string, (number | null)[]> {
  const all = new Map<string, (number | null)[]>();
  windows.forEach((one, i) => {
    for (const { name, value } of of(one)) {
      const values = all.get(name) ?? new Array<number | null>(windows.length).fill(null);
      values[i] = value;
      all.set(name, values);
    }
  });
  return all;
}

export function DeviceCharts(props: { id: string; units: string[] }) {
  const [hours, setHours] = useState(6);
  const [unit, setUnit] = useState("");
  const steady = steadyMs(hours);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 60_000);
    return () => clearInterval(timer);
  }, []);
  const since = Math.floor(now / steady) * steady - hours * 3_600_000;
  const from = new Date(since).toISOString().replace(/\.\d+/, "");
  const shown = unit || (props.units[0] ?? "");
  const metrics = useData(
    address(`/v1/devices/${part(props.id)}/metrics`, { unit: shown, from, limit: 2_000 }),
    0,
    readWindows,
  );
  return (
    <Card
      title={t("device.charts")}
      actions={
        <div class="row">
          {props.units.length > 1 && (
            <label>
              <span class="unseen">{t("device.unit")}</span>
              <select value={shown} onChange={(event) => setUnit(event.currentTarget.value)}>
                {props.units.map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </select>
            </label>
          )}
          <label>
            <span class="unseen">{t("device.charts.range")}</span>
            <select
              value={String(hours)}
              onChange={(event) => setHours(Number(event.currentTarget.value))}
            >
              {ranges.map((one) => (
                <option key={one} value={String(one)}>
                  {duration(one * 60)}
                </option>
              ))}
            </select>
          </label>
        </div>
      }
    >
      <Show data={metrics.data} problem={metrics.problem}>
        {(windows) =>
          windows.length === 0 ? (
            <Empty>{t("device.charts.none")}</Empty>
          ) : (
            <Charts windows={windows} />
          )
        }
      </Show>
    </Card>
  );
}

function Charts(props: { windows: Window[] }) {
  const windows = [...props.windows].sort((a, b) => a.time.localeCompare(b.time));
  const times = windows.map((one) => Date.parse(one.time) / 1000);
  const latencies = (["p50", "p99"] as const).map((name) => {
    const all = seriesOf(windows, (one) =>
      (one.stages ?? []).map((stage) => ({ name: stage.name, value: stage[`${name}_ms`] })),
    );
    return { name, series: [...all].map(([label, values]) => ({ label, values })) };
  });
  const psi = seriesOf(windows, (one) =>
    (one.signals ?? []).map((signal) => ({ name: signal.name, value: signal.psi })),
  );
  const drift: Series[] = [...psi]
    .filter(([, values]) => values.some((value) => value !== null))
    .map(([label, values]) => ({ label, values }));
  const rate = windows.map((one) =>
    one.window_ms > 0 ? (one.frames * 60_000) / one.window_ms : null,
  );
  return (
    <div class="charts">
      {latencies.map(
        ({ name, series }) =>
          series.length > 0 && (
            <Chart
              key={name}
              title={t("device.latency", { name })}
              times={times}
              unit="ms"
              series={series}
            />
          ),
      )}
      {drift.length > 0 && (
        <Chart
          title={t("device.drift")}
          times={times}
          series={drift}
          lines={[{ at: 0.25, label: "0.25", bad: true }]}
        />
      )}
      <Chart
        title={t("device.rate")}
        times={times}
        series={[{ label: t("device.frames"), values: rate }]}
      />
    </div>
  );
}
