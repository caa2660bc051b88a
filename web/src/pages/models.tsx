// Models with their versions, aliases and lineage.
import { useState } from "preact/hooks";
import { address, ask, part } from "../api";
import { useAct, useData } from "../data";
import { t } from "../i18n";
import { link } from "../route";
import type { Model, ModelsPage, ReleasesPage, Release } from "../types";
import { Confirm } from "../ui/dialog";
import { Badge, Button, Card, Empty, Field, Notice, Page, Show, Time }
  from "../ui/parts";
import { cursorOf, Pager, Table } from "../ui/table";
import { Lineage } from "./about";
import { ReleaseState } from "./common";

// The newest first.
export function versionsOf(model: Model): string[] {
  return (model.versions ?? [])
    .map((one) => (typeof one === "string" ? one : one.version))
    .reverse();
}

function Aliases(props: { of: Model; version?: string }) {
  const all = Object.entries(props.of.aliases ?? {}).filter(
    ([, version]) => props.version === undefined || version === props.version,
  );
  if (all.length === 0) return <span class="quiet">–</span>;
  return (
    <span class="tags">
      {all.map(([alias, version]) => (
        <Badge key={alias} tone={alias === "champion" ? "good" : "quiet"}>
          {props.version === undefined ? `${alias} → ${version}` : alias}
        </Badge>
      ))}
    </span>
  );
}

export function Models(props: { query: URLSearchParams }) {
  const after = props.query.get("after") ?? "";
  const models = useData<ModelsPage>(address("/v1/models", { after }), 30_000);
  return (
    <Page title={t("models.title")}>
      <Show data={models.data} problem={models.problem}>
        {(data) =>
          data.models.length === 0 ? (
            <Empty>{t("models.none")}</Empty>
          ) : (
            <>
              <Table
                caption={t("models.title")}
                rows={data.models}
                keyOf={(one) => one.name}
                columns={[
                  {
                    head: t("common.name"),
                    cell: (one) => <a href={link(["models", one.name])}>{one.name}</a>,
                    shrink: true,
                  },
                  {
                    head: t("models.versions"),
                    cell: (one) => versionsOf(one).length,
                    align: "end",
                    shrink: true,
                  },
                  { head: t("models.aliases"), cell: (one) => <Aliases of={one} /> },
                ]}
              />
              <Pager next={data.next} path={["models"]} query={{}} after={after} />
            </>
          )
        }
      </Show>
    </Page>
  );
}

export function ModelPage(props: { name: string }) {
  const model = useData<Model>(`/v1/models/${part(props.name)}`, 30_000);
  const [after, setAfter] = useState("");
  const releases = useData<ReleasesPage>(
    address("/v1/releases", { model: props.name, after }),
    30_000,
  );
  const next = cursorOf(releases.data?.next, "after");
  const [asks, setAsks] = useState(false);
  const [said, setSaid] = useState(false);
  return (
    <Page
      title={props.name}
      kicker={<a href={link(["models"])}>{t("models.title")}</a>}
      actions={
        model.data && (
          <Button needs="releaser" onClick={() => setAsks(true)}>
            {t("model.alias.set")}
          </Button>
        )
      }
    >
      {said && <Notice tone="good">{t("model.alias.done")}</Notice>}
      <Show data={model.data} problem={model.problem}>
        {(data) => (
          <>
            <Card title={t("model.versions")}>
              <Show data={releases.data} problem={releases.problem}>
                {(page) => <Versions model={data} releases={page.releases} />}
              </Show>
              <div class="pager">
                {after && <Button onClick={() => setAfter("")}>{t("common.first")}</Button>}
                {next && <Button onClick={() => setAfter(next)}>{t("common.next")}</Button>}
              </div>
            </Card>
            <Card title={t("model.lineage")}>
              <Lineages releases={releases.data?.releases ?? []} />
            </Card>
            {asks && (
              <SetAlias
                model={data}
                onClose={() => setAsks(false)}
                onDone={() => {
                  setAsks(false);
                  setSaid(true);
                  model.again();
                }}
              />
            )}
          </>
        )}
      </Show>
    </Page>
  );
}

function Versions(props: { model: Model; releases: Release[] }) {
  if (props.releases.length === 0) return <Empty>{t("releases.none")}</Empty>;
  return (
    <Table
      caption={t("model.versions")}
      rows={props.releases}
      keyOf={(one) => one.version}
      columns={[
        {
          head: t("model.version"),
          cell: (one) => <a href={link(["releases", one.model, one.version])}>{one.version}</a>,
          shrink: true,
        },
        {
          head: t("common.state"),
          cell: (one) => <ReleaseState value={one.state} />,
          shrink: true,
        },
        {
          head: t("models.aliases"),
          cell: (one) => <Aliases of={props.model} version={one.version} />,
        },
        { head: t("release.added"), cell: (one) => <Time value={one.added} /> },
      ]}
    />
  );
}

const maxLineages = 20; // of the versions above

function Lineages(props: { releases: Release[] }) {
  if (props.releases.length === 0) return <Empty>{t("releases.none")}</Empty>;
  return (
    <ol class="lineage">
      {props.releases.slice(0, maxLineages).map((one) => (
        <li key={one.version}>
          <h3>
            <a href={link(["releases", one.model, one.version])}>{one.version}</a>
          </h3>
          <LineageOf model={one.model} version={one.version} />
        </li>
      ))}
    </ol>
  );
}

// A list of releases does not have it: each says it itself.
function LineageOf(props: { model: string; version: string }) {
  const release = useData<Release>(`/v1/releases/${part(props.model)}/${part(props.version)}`);
  return (
    <Show data={release.data} problem={release.problem}>
      {(one) => <Lineage lineage={one.lineage} />}
    </Show>
  );
}

function SetAlias(props: { model: Model; onClose: () => void; onDone: () => void }) {
  const versions = versionsOf(props.model);
  const [alias, setAlias] = useState("champion");
  const [version, setVersion] = useState(versions[0] ?? "");
  const { busy, problem, act } = useAct();
  const save = async () => {
    const path = `/v1/models/${part(props.model.name)}/aliases/${part(alias.trim())}`;
    if (await act(async () => void (await ask("PUT", path, { version })))) props.onDone();
  };
  return (
    <Confirm
      title={t("model.alias.set")}
      text={t("model.alias.champion")}
      confirm={t("common.save")}
      busy={busy}
      problem={problem}
      onConfirm={save}
      onClose={props.onClose}
    >
      <Field label={t("model.alias")}>
        {(ids) => (
          <input
            {...ids}
            required
            value={alias}
            onInput={(event) => setAlias(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label={t("model.version")}>
        {(ids) => (
          <select
            {...ids}
            value={version}
            onChange={(event) => setVersion(event.currentTarget.value)}
          >
            {versions.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        )}
      </Field>
    </Confirm>
  );
}
