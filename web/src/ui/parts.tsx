// Small parts that all pages are made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Problem } from "../api";
import { t } from "../i18n";
import { ago, dateTime } from "../format";
import { may, session, type Role } from "../session";

export type Tone = "good" | "warn" | "bad" | "info" | "quiet";

// Whether somebody has come from elsewhere in the console. Who has loaded the page begins at its
// top, where the first Tab offers to skip to the content.
let hasArrived = false;
export function arrive(): void {
  hasArrived = true;
}

// A page: its title is the document's, and has the focus when the page is come to, so that who does
// not see it hears where they are.
export function Page(props: {
  title: string;
  kicker?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.title} · Polder`;
  }, [props.title]);
  useEffect(() => {
    if (hasArrived) heading.current?.focus();
    arrive();
  }, []);
  return (
    <>
      <header class="page-head">
        <div>
          {props.kicker && <p class="kicker">{props.kicker}</p>}
          <h1 ref={heading} tabIndex={-1}>
            {props.title}
          </h1>
        </div>
        {props.actions && <div class="row">{props.actions}</div>}
      </header>
      {props.children}
    </>
  );
}

export function Card(props: {
  title?: ComponentChildren;
  actions?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}) {
  const id = useId();
  return (
    <section class={`card ${props.class ?? ""}`} aria-labelledby={props.title ? id : undefined}>
      {props.title && (
        <header class="card-head">
          <h2 id={id}>{props.title}</h2>
          {props.actions}
        </header>
      )}
      {props.children}
    </section>
  );
}

export function Badge(props: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${props.tone}`}>{props.children}</span>;
}

export function Notice(props: { tone: Tone; children: ComponentChildren }) {
  return (
    <div class={`notice ${props.tone}`} role={props.tone === "bad" ? "alert" : "status"}>
      {props.children}
    </div>
  );
}

export function Empty(props: { children: ComponentChildren }) {
  return <p class="empty">{props.children}</p>;
}

// What went wrong, in the hub's own words.
export function problemText(problem: Problem): string {
  if (problem.missing) return t("problem.missing", { what: problem.missing });
  if (problem.status === 0) return t("problem.network", { detail: problem.message });
  return problem.message;
}

export function ProblemNotice(props: { problem: Problem | null | undefined }) {
  if (!props.problem) return null;
  return (
    <Notice tone={props.problem.missing ? "info" : "bad"}>
      {problemText(props.problem)}
      {props.problem.status >= 500 && props.problem.requestId && (
        <small> ({t("problem.request", { id: props.problem.requestId })})</small>
      )}
    </Notice>
  );
}

// What was read; until then that it is being read, or why it is not.
export function Show<T>(props: {
  data: T | undefined;
  problem?: Problem;
  children: (data: T) => ComponentChildren;
}) {
  if (props.data === undefined)
    return props.problem ? (
      <ProblemNotice problem={props.problem} />
    ) : (
      <p class="empty" role="status">
        {t("common.loading")}
      </p>
    );
  return (
    <>
      {props.problem && <Notice tone="warn">{t("problem.stale")}</Notice>}
      {props.children(props.data)}
    </>
  );
}

// Times pass: drawn anew each half minute.
export function Time(props: { value: string | null | undefined; fallback?: string }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  if (!props.value) return <span class="quiet">{props.fallback ?? "–"}</span>;
  return (
    <time dateTime={props.value} title={dateTime(props.value)}>
      {ago(props.value, now)}
    </time>
  );
}

export function Button(
  props: JSX.ButtonHTMLAttributes<HTMLButtonElement> & {
    kind?: "main" | "danger" | "plain" | "quiet";
    needs?: Role; // whoever has less sees why they may not
  },
) {
  const { kind, needs, class: extra, disabled, ...rest } = props;
  const denied = needs !== undefined && !may(needs);
  const mine = session.get()?.role ?? "viewer";
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || denied}
      title={
        denied
          ? t("problem.role", { role: t(`role.${needs}`), mine: t(`role.${mine}`) })
          : (rest.title as string | undefined)
      }
      class={`button ${kind ?? "plain"} ${extra ?? ""}`}
    />
  );
}

export function Field(props: {
  label: string;
  hint?: string;
  error?: string;
  children: (ids: { id: string; "aria-describedby"?: string; "aria-invalid"?: boolean }) =>
    ComponentChildren;
}) {
  const id = useId();
  const note = props.error || props.hint;
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children({
        id,
        "aria-describedby": note ? `${id}-note` : undefined,
        "aria-invalid": props.error ? true : undefined,
      })}
      {note && (
        <p id={`${id}-note`} class={props.error ? "field-error" : "hint"}>
          {note}
        </p>
      )}
    </div>
  );
}

export function Copy(props: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(props.text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return (
    <Button kind="quiet" class="small" onClick={copy} aria-live="polite" aria-label={props.label}>
      {done ? t("common.copied") : t("common.copy")}
    </Button>
  );
}

export function Code(props: { text: string; label: string }) {
  return (
    <div class="code">
      <pre tabIndex={0} aria-label={props.label}>
        {props.text}
      </pre>
      <Copy text={props.text} />
    </div>
  );
}

// A SHA-256 or a key id: cut by the page's width, whole when copied or hovered.
export function Hash(props: { value: string | null | undefined }) {
  if (!props.value) return <span class="quiet">–</span>;
  return (
    <code class="hash" title={props.value}>
      {props.value}
    </code>
  );
}

export function Facts(props: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {props.rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

// A document of which only the hub knows the form: names and values, and lists of them.
export function Tree(props: { value: unknown }) {
  const { value } = props;
  if (value === null || value === undefined || value === "") return <span class="quiet">–</span>;
  if (isHash(value)) return <Hash value={value} />;
  if (typeof value !== "object") return <span class="prose">{String(value)}</span>;
  if (Array.isArray(value)) {
    if (value.length === 0) return <span class="quiet">{t("common.none")}</span>;
    return (
      <ul class="tree">
        {value.map((one, i) => (
          <li key={i}>{isBrief(one) ? <Brief value={one} /> : <Tree value={one} />}</li>
        ))}
      </ul>
    );
  }
  const filled = Object.entries(value).filter(([, one]) => one !== null && one !== "");
  return (
    <Facts rows={filled.map(([name, one]) => [name.replace(/_/g, " "), <Tree value={one} />])} />
  );
}

// A few words and numbers, which stand well in one line.
function isBrief(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const parts = Object.values(value);
  return parts.length <= 4 && parts.every((one) => typeof one !== "object" && !isHash(one));
}

function isHash(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{24,}$/.test(value);
}

// The same in one line, for a table.
export function Brief(props: { value: unknown }) {
  const { value } = props;
  if (value === null || typeof value !== "object") return <Tree value={value} />;
  return (
    <span class="details">
      {Object.entries(value)
        .filter(([, one]) => hasContent(one))
        .map(([name, one]) => (
          <span key={name}>
            {!Array.isArray(value) && <span class="quiet">{name.replace(/_/g, " ")} </span>}
            <Brief value={one} />
          </span>
        ))}
    </span>
  );
}

export function hasContent(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return false;
  if (typeof value !== "object") return true;
  return Object.values(value).some(hasContent);
}
