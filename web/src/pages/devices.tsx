// All devices, page by page, and those of some tags.
import { useEffect, useState } from "preact/hooks";
import { address } from "../api";
import { useData } from "../data";
import { t } from "../i18n";
import { go, link } from "../route";
import type { DevicesPage, GroupsPage } from "../types";
import { Button, Empty, Field, Page, Show, Time } from "../ui/parts";
import { Pager, Table } from "../ui/table";
import { DeviceLink, DeviceState, Health, Tags } from "./common";
import { Groups } from "./groups";

const pageSize = 50;

export function Devices(props: { query: URLSearchParams }) {
  const query = props.query.get("query") ?? "";
  const after = props.query.get("after") ?? "";
  const [text, setText] = useState(query);
  const [name, setName] = useState("");
  useEffect(() => setText(query), [query]);
  const page = useData<DevicesPage>(
    address("/v1/devices", { query, limit: pageSize, after }),
    15_000,
  );
  const groups = useData<GroupsPage>("/v1/groups");
  return (
    <Page title={t("devices.title")}>
      <div class="filters">
        <form
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            go(link(["devices"], { query: text.trim() }));
          }}
        >
          <Field label={t("devices.search")} hint={t("devices.search.hint")}>
            {(ids) => (
              <input
                {...ids}
                type="search"
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
                spellcheck={false}
              />
            )}
          </Field>
          <Button type="submit">{t("devices.search.submit")}</Button>
          {query && (
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
            <Empty>{query ? t("devices.none.query") : t("devices.none")}</Empty>
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
              <Pager next={data.next} path={["devices"]} query={{ query }} after={after} />
            </>
          )
        }
      </Show>
    </Page>
  );
}
