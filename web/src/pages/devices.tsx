// All devices, page by page, and those of a search: by tags, health, release, and more.
import { useEffect, useMemo, useState } from "preact/hooks";
import { address } from "../api";
import { useData } from "../data";
import { t, word } from "../i18n";
import { go, link } from "../route";
import type { DevicesPage, GroupsPage } from "../types";
import { Button, Empty, Field, Page, Show, Time } from "../ui/parts";
import { Pager, Table } from "../ui/table";
import { DeviceLink, DeviceState, Health, Tags } from "./common";
import { Groups } from "./groups";

const pageSize = 50;

const unseenHours = [6, 24, 168];

// What a search may ask for, as the address of the page has it.
const fields = ["query", "health", "version", "target", "unseen", "revoked"] as const;
type Search = Record<(typeof fields)[number], string>;

function searchOf(query: URLSearchParams): Search {
  return Object.fromEntries(fields.map((name) => [name, query.get(name) ?? ""])) as Search;
}

function hoursAgo(hours: string): string {
  const time = new Date(Date.now() - Number(hours) * 3_600_000);
  return Number.isNaN(time.getTime()) ? hours : `${time.toISOString().slice(0, 19)}Z`;
}

export function Devices(props: { query: URLSearchParams }) {
  const search = searchOf(props.query);
  const { query, unseen } = search;
  const text = JSON.stringify(search);
  const after = props.query.get("after") ?? "";
  const [form, setForm] = useState(search);
  const [name, setName] = useState("");
  useEffect(() => setForm(JSON.parse(text)), [text]);
  const seenBefore = useMemo(() => (unseen ? hoursAgo(unseen) : ""), [unseen]);
  const { health, version, target, revoked } = search;
  const page = useData<DevicesPage>(
    address("/v1/devices", {
      query, health, version, target, seen_before: seenBefore, revoked, limit: pageSize, after,
    }),
    15_000,
  );
  const groups = useData<GroupsPage>("/v1/groups");
  const isSearch = fields.some((field) => search[field]);
  const input = (field: keyof Search, type = "text") => (ids: object) => (
    <input
      {...ids}
      type={type}
      value={form[field]}
      onInput={(event) => setForm({ ...form, [field]: event.currentTarget.value })}
      spellcheck={false}
    />
  );
  const select = (field: keyof Search, options: [string, string][]) => (ids: object) => (
    <select
      {...ids}
      value={form[field]}
      onChange={(event) => setForm({ ...form, [field]: event.currentTarget.value })}
    >
      <option value="">{t("devices.any")}</option>
      {options.map(([value, label]) => (
        <option key={value} value={value}>
          {label}
        </option>
      ))}
    </select>
  );
  return (
    <Page title={t("devices.title")}>
      <div class="filters">
        <form
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            go(
              link(
                ["devices"],
                Object.fromEntries(fields.map((field) => [field, form[field].trim()])),
              ),
            );
          }}
        >
          <Field label={t("devices.search")} hint={t("devices.search.hint")}>
            {input("query", "search")}
          </Field>
          <Field label={t("devices.health")}>
            {select(
              "health",
              ["failed", "starting", "well", "idle"].map((one) => [one, word("health", one)]),
            )}
          </Field>
          <Field label={t("devices.version")} hint={t("devices.version.hint")}>
            {input("version")}
          </Field>
          <Field label={t("devices.target")} hint={t("devices.target.hint")}>
            {input("target")}
          </Field>
          <Field label={t("devices.unseen")}>
            {select(
              "unseen",
              unseenHours.map((hours) => [
                String(hours),
                hours < 48
                  ? t("devices.unseen.hours", { n: hours })
                  : t("devices.unseen.days", { n: hours / 24 }),
              ]),
            )}
          </Field>
          <Field label={t("devices.revoked")}>
            {select("revoked", [
              ["false", t("devices.revoked.false")],
              ["true", t("devices.revoked.true")],
            ])}
          </Field>
          <Button type="submit">{t("devices.search.submit")}</Button>
          {isSearch && (
            <a class="button quiet" href={link(["devices"])}>
              {t("devices.search.clear")}
            </a>
          )}
        </form>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (name.trim()) go(link(["devices", name.trim()]));
          }}
        >
          <Field label={t("devices.open")}>
            {(ids) => (
              <input
                {...ids}
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
                spellcheck={false}
              />
            )}
          </Field>
          <Button type="submit">{t("devices.open.submit")}</Button>
        </form>
      </div>
      <Groups groups={groups} query={query} />
      <Show data={page.data} problem={page.problem}>
        {(data) =>
          data.devices.length === 0 ? (
            <Empty>{isSearch ? t("devices.none.query") : t("devices.none")}</Empty>
          ) : (
            <>
              <Table
                caption={t("devices.title")}
                rows={data.devices}
                keyOf={(one) => one.id}
                columns={[
                  {
                    head: t("devices.id"),
                    cell: (one) => <DeviceLink id={one.id} />,
                    shrink: true,
                  },
                  {
                    head: t("common.state"),
                    cell: (one) => <DeviceState device={one} />,
                    shrink: true,
                  },
                  {
                    head: t("devices.units"),
                    cell: (one) =>
                      one.units?.length ? (
                        <span class="runs">
                          {one.units.map((unit) => (
                            <span key={unit.name}>
                              {unit.model ?? unit.name} {unit.version ?? ""}{" "}
                              <Health value={unit.health} />
                            </span>
                          ))}
                        </span>
                      ) : (
                        <span class="quiet">–</span>
                      ),
                  },
                  { head: t("devices.tags"), cell: (one) => <Tags tags={one.tags} /> },
                  {
                    head: t("devices.seen"),
                    cell: (one) => <Time value={one.seen} fallback={t("common.never")} />,
                    shrink: true,
                  },
                  {
                    head: t("devices.certificate"),
                    cell: (one) => <Time value={one.certificate_until} />,
                    shrink: true,
                  },
                ]}
              />
              <Pager next={data.next} path={["devices"]} query={search} after={after} />
            </>
          )
        }
      </Show>
    </Page>
  );
}
