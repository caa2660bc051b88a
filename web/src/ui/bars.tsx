// Shares as bars, and ratios with their bounds.
import { count, number, percent } from "../format";
import { t } from "../i18n";
import type { Tone } from "./parts";

// One bar of several parts, and what each is.
export function Shares(props: { parts: { label: string; value: number; tone: Tone }[] }) {
  const whole = props.parts.reduce((sum, one) => sum + one.value, 0);
  const shown = props.parts.filter((one) => one.value > 0);
  return (
    <div>
      <div class="shares" aria-hidden="true">
        {shown.map((one) => (
          <span key={one.label} class={one.tone} style={{ flexGrow: one.value }} />
        ))}
      </div>
      <ul class="legend">
        {props.parts.map((one) => (
          <li key={one.label}>
            <i class={one.tone} aria-hidden="true" />
            {one.label} <b>{count(one.value)}</b>{" "}
            <span class="quiet">{percent(one.value, whole)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Bar(props: { value: number; of: number }) {
  const share = props.of > 0 ? Math.min(1, props.value / props.of) : 0;
  return (
    <span class="bar" aria-hidden="true">
      <span style={{ width: `${share * 100}%` }} />
    </span>
  );
}

// A little beyond where a ratio is known (src/hub/judgement.h).
const least = 0.2;
const most = 5;

function place(ratio: number): number {
  const clipped = Math.min(most, Math.max(least, ratio));
  return (Math.log(clipped / least) / Math.log(most / least)) * 100;
}

// On a scale of logarithms, 1 in the middle; the margin up to which worse is acceptable is shaded.
export function Ratio(props: { ratio: number; low: number; high: number; margin: number }) {
  const text = t("rollout.ratio.text", {
    ratio: number(props.ratio),
    low: number(props.low),
    high: number(props.high),
  });
  const from = place(props.low);
  const to = place(props.high);
  const one = place(1);
  const tone = props.low > 1 ? "bad" : props.high < props.margin ? "good" : "unsure";
  return (
    <div class="ratio">
      <svg viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label={text}>
        <rect x={one} y="0" width={place(props.margin) - one} height="12" class="margin" />
        <line x1={one} x2={one} y1="0" y2="12" class="one" />
        <line x1={from} x2={to} y1="6" y2="6" class={`bounds ${tone}`} />
        <line x1={from} x2={from} y1="3" y2="9" class={`bounds ${tone}`} />
        <line x1={to} x2={to} y1="3" y2="9" class={`bounds ${tone}`} />
        <rect x={place(props.ratio) - 0.8} y="2" width="1.6" height="8" class={`point ${tone}`} />
      </svg>
      <span class="numbers">
        <b>{number(props.ratio)}×</b> {number(props.low)} – {number(props.high)}
      </span>
    </div>
  );
}

const much = 1_000_000; // of evidence; beyond, the number says nothing more

// Evidence towards a threshold, on a scale of logarithms: 1 is none.
export function Evidence(props: { value: number; at: number; tone: "good" | "bad" }) {
  if (props.at <= 1) return <span class="numbers">{number(props.value)}</span>; // nothing to reach
  const share = Math.min(1, Math.log(Math.max(1, props.value)) / Math.log(props.at));
  const over = props.value >= props.at;
  const text = props.value > much ? `> ${number(much)}` : number(props.value);
  return (
    <span class="evidence">
      <span class={`bar ${props.tone}`} aria-hidden="true">
        <span style={{ width: `${share * 100}%` }} />
      </span>
      <span class={over ? `numbers ${props.tone}` : "numbers"}>
        {text} / {number(props.at)}
      </span>
    </span>
  );
}
