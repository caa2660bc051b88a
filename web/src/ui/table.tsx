// Tables, and the way from page to page.
import type { ComponentChildren } from "preact";
import { t } from "../i18n";
import { link } from "../route";

export interface Column<Row> {
  head: ComponentChildren;
  cell: (row: Row) => ComponentChildren;
  align?: "end";
  shrink?: boolean; // no wider than what it holds
}

// The caption is for who does not see the heading above it. A table that is wider than the page is
// scrolled on its own, by keys too.
export function Table<Row>(props: {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row, index: number) => string;
}) {
  return (
    <div class="table" tabIndex={0} role="group" aria-label={props.caption}>
      <table>
        <caption class="unseen">{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map((column, i) => (
              <th key={i} scope="col" class={classOf(column)}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row, index) => (
            <tr key={props.keyOf(row, index)}>
              {props.columns.map((column, i) => (
                <td key={i} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classOf<Row>(column: Column<Row>): string {
  return `${column.align ?? ""} ${column.shrink ? "shrink" : ""}`.trim();
}

// `next` is the address that the hub gave; its `after` (or what `cursor` says) is where the next
// page begins.
export function Pager(props: {
  next?: string;
  path: string[];
  query: Record<string, string | undefined>;
  after: string;
  cursor?: string;
}) {
  const cursor = props.cursor ?? "after";
  const after = cursorOf(props.next, cursor);
  if (!after && !props.after) return null;
  return (
    <nav class="pager" aria-label={t("common.pages")}>
      {props.after && (
        <a class="button plain" href={link(props.path, props.query)}>
          {t("common.first")}
        </a>
      )}
      {after && (
        <a
          class="button plain"
          rel="next"
          href={link(props.path, { ...props.query, [cursor]: after })}
        >
          {t("common.next")}
        </a>
      )}
    </nav>
  );
}

export function cursorOf(next: string | undefined, cursor: string): string | undefined {
  return new URLSearchParams(next?.split("?")[1] ?? "").get(cursor) ?? undefined;
}
