// Releases, and one with who signed it.
import { address, part } from "../api";
import { useData } from "../data";
import { bytes } from "../format";
import { t, word } from "../i18n";
import { link } from "../route";
import type { Release, ReleasesPage } from "../types";
import { Brief, Card, Empty, Facts, Hash, hasContent, Page, Show, Time, Tree } from "../ui/parts";
import { Pager, Table } from "../ui/table";
import { Lineage, ModelCard } from "./about";
import { ReleaseLink, ReleaseState } from "./common";

const pageSize = 50;

export function Releases(props: { query: URLSearchParams }) {
  const model = props.query.get("model") ?? "";
  const after = props.query.get("after") ?? "";
  const releases = useData<ReleasesPage>(
    address("/v1/releases", { model, limit: pageSize, after }),
    15_000,
  );
  return (
    <Page title={t("releases.title")}>
      <Show data={releases.data} problem={releases.problem}>
        {(data) =>
          data.releases.length === 0 ? (
            <Empty>{t("releases.none")}</Empty>
          ) : (
            <>
              <Table
                caption={t("releases.title")}
                rows={data.releases}
                keyOf={(one) => `${one.model} ${one.version}`}
                columns={[
                  {
                    head: t("device.release"),
                    cell: (one) => <ReleaseLink model={one.model} version={one.version} />,
                    shrink: true,
                  },
                  {
                    head: t("common.state"),
                    cell: (one) => <ReleaseState value={one.state} />,
                    shrink: true,
                  },
                  { head: t("release.added"), cell: (one) => <Added release={one} /> },
                  { head: t("release.approved"), cell: (one) => one.approved_by || "–" },
                  { head: t("release.manifest"), cell: (one) => <Hash value={one.manifest} /> },
                ]}
              />
              <Pager next={data.next} path={["releases"]} query={{ model }} after={after} />
            </>
          )
        }
      </Show>
    </Page>
  );
}

function Added(props: { release: Release }) {
  const { added, added_by: by } = props.release;
  return (
    <>
      <Time value={added} /> {by && <span class="quiet">{t("release.by", { name: by })}</span>}
    </>
  );
}

export function ReleasePage(props: { model: string; version: string }) {
  const { model, version } = props;
  const release = useData<Release>(`/v1/releases/${part(model)}/${part(version)}`, 15_000);
  return (
    <Page
      title={`${model} ${version}`}
      kicker={<a href={link(["models", model])}>{model}</a>}
      actions={
        release.data && (
          <>
            <ReleaseState value={release.data.state} />
            {release.data.state === "published" && (
              <a class="button main" href={link(["rollouts", "new"], { model, version })}>
                {t("release.rollout")}
              </a>
            )}
          </>
        )
      }
    >
      <Show data={release.data} problem={release.problem}>
        {(one) => (
          <>
            <div class="columns">
              <Card title={t("device.release")}>
                <Facts
                  rows={[
                    [t("release.manifest"), <Hash value={one.manifest} />],
                    [t("release.added"), <Added release={one} />],
                    [t("release.approved"), one.approved_by || "–"],
                    [t("release.license"), <Tree value={one.license} />],
                  ]}
                />
              </Card>
              <Card title={t("release.signatures")}>
                <Signatures signatures={one.signatures ?? []} />
              </Card>
            </div>
            <Card title={t("release.artifacts")}>
              <Artifacts artifacts={one.artifacts ?? []} />
            </Card>
            <div class="columns">
              <Card title={t("release.card")}>
                <ModelCard card={one.model_card} />
              </Card>
              <Card title={t("model.lineage")}>
                <Lineage lineage={one.lineage} />
              </Card>
            </div>
          </>
        )}
      </Show>
    </Page>
  );
}

function Signatures(props: { signatures: { role: string; key: string }[] }) {
  if (props.signatures.length === 0) return <Empty>{t("release.signatures.none")}</Empty>;
  return (
    <Table
      caption={t("release.signatures")}
      rows={props.signatures}
      keyOf={(one, i) => `${one.role} ${i}`}
      columns={[
        { head: t("release.signatures.role"), cell: (one) => one.role, shrink: true },
        { head: t("release.signatures.key"), cell: (one) => <Hash value={one.key} /> },
      ]}
    />
  );
}

// The columns are what the artifacts have.
function Artifacts(props: { artifacts: Record<string, unknown>[] }) {
  if (props.artifacts.length === 0) return <Empty>{t("release.artifacts.none")}</Empty>;
  const names = [...new Set(props.artifacts.flatMap((one) => Object.keys(one)))].filter((name) =>
    props.artifacts.some((one) => hasContent(one[name])),
  );
  return (
    <Table
      caption={t("release.artifacts")}
      rows={props.artifacts}
      keyOf={(_, i) => String(i)}
      columns={names.map((name) => ({
        head: word("artifact", name).replace(/_/g, " "),
        cell: (one: Record<string, unknown>) => {
          const value = one[name];
          if (name === "bytes" && typeof value === "number") return bytes(value);
          return <Brief value={value} />;
        },
        shrink: typeof props.artifacts[0]?.[name] !== "object",
      }))}
    />
  );
}
