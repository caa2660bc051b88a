// The fleet at a glance.
import { useData } from "../data";
import { count, percent } from "../format";
import { t, word } from "../i18n";
import { link } from "../route";
import type { ApprovalsPage, Fleet, Repository, Rollout, RolloutsPage } from "../types";
import { Bar, Shares } from "../ui/bars";
import { Card, Empty, Notice, Page, Show } from "../ui/parts";
import { Table } from "../ui/table";
import { saidIn } from "../why";
import { Alarms, healthTone, Phase, ReleaseLink } from "./common";
import { stageText } from "./rollouts";

const everyMs = 10_000;

export function FleetPage() {
  const fleet = useData<Fleet>("/v1/fleet", everyMs);
  const rollouts = useData<RolloutsPage>("/v1/rollouts?phase=running", everyMs);
  const paused = useData<RolloutsPage>("/v1/rollouts?phase=paused", everyMs);
  const newest = useData<RolloutsPage>("/v1/rollouts?limit=50", everyMs);
  const approvals = useData<ApprovalsPage>("/v1/approvals?state=open", everyMs);
  const repository = useData<Repository>("/v1/repository", 60_000);
  const expiring = repository.data?.warnings ?? [];
  return (
    <Page title={t("fleet.title")}>
      {expiring.length > 0 && (
        <Notice tone={expiring.some((one) => one.expired) ? "bad" : "warn"}>
          {t("fleet.expiring", { roles: expiring.map((one) => one.role).join(", ") })}{" "}
          <a href={link(["repository"])}>{t("repository.title")}</a>
        </Notice>
      )}
      <Show data={fleet.data} problem={fleet.problem}>
        {(data) => (
          <>
            <ul class="figures">
              <Figure
                name={t("fleet.devices")}
                value={data.devices}
                note={data.revoked ? t("fleet.revoked", { count: data.revoked }) : ""}
                to={link(["devices"])}
              />
              <Figure
                name={t("fleet.seen")}
                value={data.seen_lately}
                note={
                  data.seen_lately === undefined ? "" : percent(data.seen_lately, data.devices)
                }
              />
              <Figure
                name={t("fleet.running")}
                value={rollouts.data?.rollouts.length}
                to={link(["rollouts"])}
              />
              <Figure
                name={t("fleet.waiting")}
                value={approvals.data?.approvals.length}
                to={link(["approvals"])}
              />
            </ul>
            <div class="columns">
              <Card title={t("fleet.health")}>
                <HealthShares counts={data.by_health ?? {}} />
              </Card>
              <Card title={t("fleet.rollouts")}>
                <Show data={rollouts.data} problem={rollouts.problem}>
                  {(page) => (
                    <Rollouts
                      rollouts={toLookAt(
                        page.rollouts,
                        paused.data?.rollouts,
                        newest.data?.rollouts,
                      )}
                    />
                  )}
                </Show>
              </Card>
            </div>
            <Card title={t("fleet.versions")}>
              <Versions fleet={data} />
            </Card>
            <Card title={t("fleet.alarms")}>
              <Alarms
                alarms={data.alarms ?? []}
                caption={t("fleet.alarms")}
                none={t("fleet.alarms.none")}
              />
            </Card>
          </>
        )}
      </Show>
    </Page>
  );
}

function Figure(props: { name: string; value?: number; note?: string; to?: string }) {
  const value = props.value === undefined ? "–" : count(props.value);
  return (
    <li>
      <span class="figure-name">{props.name}</span>
      <span class="figure">{props.to ? <a href={props.to}>{value}</a> : value}</span>
      {props.note && <span class="quiet"> {props.note}</span>}
    </li>
  );
}

const order = ["well", "starting", "idle", "failed"];

function HealthShares(props: { counts: Record<string, number> }) {
  const names = [...new Set([...order, ...Object.keys(props.counts)])].filter(
    (name) => name in props.counts,
  );
  if (names.every((name) => !props.counts[name])) return <Empty>{t("fleet.health.none")}</Empty>;
  return (
    <Shares
      parts={names.map((name) => ({
        label: word("health", name),
        value: props.counts[name] ?? 0,
        tone: healthTone(name),
      }))}
    />
  );
}

function Versions(props: { fleet: Fleet }) {
  const rows = props.fleet.by_version ?? [];
  if (rows.length === 0) return <Empty>{t("fleet.versions.none")}</Empty>;
  return (
    <Table
      caption={t("fleet.versions")}
      rows={rows}
      keyOf={(row) => `${row.model} ${row.version}`}
      columns={[
        {
          head: t("device.release"),
          cell: (row) => <ReleaseLink model={row.model} version={row.version} />,
          shrink: true,
        },
        {
          head: t("fleet.devices"),
          cell: (row) => count(row.devices),
          align: "end",
          shrink: true,
        },
        {
          head: t("fleet.share"),
          cell: (row) => <Bar value={row.devices} of={props.fleet.devices} />,
        },
      ]}
    />
  );
}

const dayMs = 86_400_000;

// Those that are not over, and what has ended within a day, the newest first.
function toLookAt(running: Rollout[], paused: Rollout[] = [], newest: Rollout[] = []): Rollout[] {
  const lately = newest.filter(
    (one) => one.ended && Date.parse(one.ended) > Date.now() - dayMs,
  );
  const all = new Map([...running, ...paused, ...lately].map((one) => [one.id, one]));
  const made = (one: Rollout) => Date.parse(one.created ?? "") || 0;
  return [...all.values()].sort((a, b) => made(b) - made(a));
}

function Rollouts(props: { rollouts: Rollout[] }) {
  if (props.rollouts.length === 0) return <Empty>{t("fleet.rollouts.none")}</Empty>;
  return (
    <ul class="lines">
      {props.rollouts.map((one) => {
        const why = one.reason || one.trouble || one.waits_for;
        return (
          <li key={one.id}>
            <a href={link(["rollouts", one.id])}>
              {one.id}: {one.model} {one.version}
            </a>
            <span class="quiet">{stageText(one)}</span>
            <Phase value={one.phase} />
            {why && <small class="quiet prose">{saidIn(why, one.why)}</small>}
          </li>
        );
      })}
    </ul>
  );
}
