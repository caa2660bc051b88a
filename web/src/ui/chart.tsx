// A chart over time, drawn by uPlot in the page's colours, with the same numbers as a table.
import { useEffect, useId, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { axisTimes, compact, dateTime, number } from "../format";
import { t } from "../i18n";
import { colours } from "../settings";
import { useStore } from "../store";
import { Table } from "./table";

export interface Series {
  label: string;
  values: (number | null)[];
}

const height = 180;
const palette = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5"];
const maxTableRows = 200;

function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Whole ones, 1 among them, with room for each threshold.
function decades(min: number, max: number, lines: { at: number }[] = []): [number, number] {
  const most = Math.max(max, 10, ...lines.map((one) => one.at));
  return [10 ** Math.floor(Math.log10(Math.min(min, 1))), 10 ** Math.ceil(Math.log10(most))];
}

function tens(min: number, max: number): number[] {
  const from = Math.round(Math.log10(min));
  const to = Math.round(Math.log10(max));
  const step = Math.max(1, Math.ceil((to - from) / 6));
  const length = Math.floor((to - from) / step) + 1;
  return Array.from({ length }, (_, i) => 10 ** (from + i * step));
}

function timeText(seconds: number): string {
  return dateTime(new Date(seconds * 1000).toISOString());
}

export function Chart(props: {
  title: string;
  times: number[]; // seconds since 1970, rising
  series: Series[];
  unit?: string;
  logarithmic?: boolean;
  lines?: { at: number; label: string; bad?: boolean }[]; // thresholds
}) {
  const id = useId();
  const place = useRef<HTMLDivElement>(null);
  const turn = useStore(colours);
  const { title, times, series, unit, logarithmic, lines } = props;

  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    const text = colourOf("--muted");
    const grid = { stroke: colourOf("--line"), width: 1 };
    const axis = { stroke: text, grid, ticks: grid, font: "11px 'Inter Variable', sans-serif" };
    const write = logarithmic ? compact : number;
    // Without a cursor the newest values are shown.
    const show = (u: uPlot, value: number | null, one: number) => {
      const newest = [...(u.data[one] ?? [])].reverse().find((other) => other != null);
      const shown = value ?? (u.cursor.idx == null ? newest : null);
      return shown == null ? "–" : `${number(shown)}${unit ? ` ${unit}` : ""}`;
    };
    const showTime = (_: uPlot, value: number | null) => {
      const shown = value ?? times[times.length - 1];
      return shown === undefined ? "–" : timeText(shown);
    };
    const chart = new uPlot(
      {
        width: parent.clientWidth || 600,
        height,
        cursor: { y: false, points: { size: 6 } },
        legend: { live: true },
        scales: {
          // Around a time alone uPlot would show 1,000 days.
          x: times.length === 1 ? { range: [times[0]! - 30, times[0]! + 30] } : {},
          y: logarithmic
            ? { distr: 3, log: 10, range: (_, min, max) => decades(min, max, lines) }
            : { range: (_u, _min, max) => [0, Math.max(max * 1.1, 1e-9)] },
        },
        axes: [
          { ...axis, space: 80, values: (_u, ticks) => axisTimes(ticks) },
          {
            ...axis,
            size: 56,
            ...(logarithmic ? { splits: (_u, _axis, min, max) => tens(min, max) } : {}),
            values: (_u, ticks) => ticks.map((v) => (v === null ? "" : write(v))),
          },
        ],
        series: [
          { label: t("common.time"), value: showTime },
          ...series.map((one, i) => ({
            label: one.label,
            stroke: colourOf(palette[i % palette.length]!),
            width: 1.75,
            dash: i < palette.length ? undefined : [5, 4], // more than there are colours
            value: show,
          })),
        ],
        hooks: {
          draw: [
            (u) => {
              for (const one of lines ?? []) {
                const y = u.valToPos(one.at, "y", true);
                if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue;
                u.ctx.save();
                u.ctx.strokeStyle = colourOf(one.bad ? "--bad" : "--good");
                u.ctx.setLineDash([3, 3]);
                u.ctx.beginPath();
                u.ctx.moveTo(u.bbox.left, y);
                u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
                u.ctx.stroke();
                u.ctx.fillStyle = u.ctx.strokeStyle;
                u.ctx.textAlign = "right";
                u.ctx.textBaseline = "bottom";
                u.ctx.fillText(one.label, u.bbox.left + u.bbox.width - 4, y - 4);
                u.ctx.restore();
              }
            },
          ],
        },
      },
      [times, ...series.map((one) => one.values)],
      parent,
    );
    const watch = new ResizeObserver(() =>
      chart.setSize({ width: parent.clientWidth || 600, height }),
    );
    watch.observe(parent);
    return () => {
      watch.disconnect();
      chart.destroy();
    };
    // The rest is what these are made of.
  }, [turn, JSON.stringify([times, series, lines]), unit, logarithmic]);

  const rows = times.map((time, i) => ({ time, i })).slice(-maxTableRows);
  return (
    <figure class="chart" aria-labelledby={id}>
      <figcaption id={id}>{unit ? `${title} (${unit})` : title}</figcaption>
      <div ref={place} aria-hidden="true" />
      <details>
        <summary>{t("common.data")}</summary>
        <Table
          caption={title}
          rows={rows}
          keyOf={(row) => String(row.i)}
          columns={[
            {
              head: t("common.time"),
              cell: (row) => timeText(row.time),
            },
            ...series.map((one) => ({
              head: `${one.label}${unit ? ` (${unit})` : ""}`,
              cell: (row: { i: number }) => {
                const value = one.values[row.i];
                return value === null || value === undefined ? "–" : number(value);
              },
              align: "end" as const,
            })),
          ]}
        />
      </details>
    </figure>
  );
}
