// All rollouts.
import { address } from "../api";
import { useData } from "../data";
import { t } from "../i18n";
import { go, link } from "../route";
import { stageName } from "../stage";
import type { Rollout, RolloutsPage } from "../types";
import { Button, Empty, Page, Show, Time } from "../ui/parts";
import { Pager, Table } from "../ui/table";
import { saidIn } from "../why";
import { Phase, ReleaseLink } from "./common";

const phases = ["", "running", "paused", "aborted", "done"] as const;

export function Rollouts(props: { query: URLSearchParams }) {
  const phase = props.query.get("phase") ?? "";
  const after = props.query.get("after") ?? "";
  const rollouts = useData<RolloutsPage>(address("/v1/rollouts", { phase, after }), 10_000);
  return (
    <Page
      title={t("rollouts.title")}
      actions={
        rollouts.data && (
          <Button kind="main" needs="operator" onClick={() => go(link(["rollouts", "new"]))}>
            {t("rollouts.new")}
          </Button>
        )
      }
    >
      <ul class="tabs">
        {phases.map((one) => (
          <li key={one}>
            <a
              href={link(["rollouts"], { phase: one })}
              aria-current={one === phase ? "true" : undefined}
            >
              {one === "" ? t("common.all") : t(`phase.${one}`)}
            </a>
          </li>
        ))}
      </ul>
      <Show data={rollouts.data} problem={rollouts.problem}>
        {(data) =>
          data.rollouts.length === 0 ? (
            <Empty>{t("rollouts.none")}</Empty>
          ) : (
            <>
              <Table
                caption={t("rollouts.title")}
                rows={data.rollouts}
                keyOf={(one) => one.id}
                columns={[
                  {
                    head: t("common.name"),
                    cell: (one) => <a href={link(["rollouts", one.id])}>{one.id}</a>,
                    shrink: true,
                  },
                  {
                    head: t("device.release"),
                    cell: (one) => <ReleaseLink model={one.model} version={one.version} />,
                    shrink: true,
                  },
                  {
                    head: t("rollouts.phase"),
                    cell: (one) => <Phase value={one.phase} />,
                    shrink: true,
                  },
                  { head: t("rollouts.stage"), cell: stageText },
                  {
                    head: t("common.reason"),
                    cell: (one) => (
                      <span class="prose">
                        {saidIn(one.reason || one.trouble || one.waits_for || "–", one.why)}
                      </span>
                    ),
                  },
                  {
                    head: t("rollouts.created"),
                    cell: (one) => (
                      <>
                        <Time value={one.created} />{" "}
                        {one.created_by && (
                          <span class="quiet">{t("release.by", { name: one.created_by })}</span>
                        )}
                      </>
                    ),
                  },
                ]}
              />
              <Pager next={data.next} path={["rollouts"]} query={{ phase }} after={after} />
            </>
          )
        }
      </Show>
    </Page>
  );
}

export function stageText(rollout: Rollout): string {
  const all = rollout.stages?.length ?? 0;
  const stage = rollout.stages?.[rollout.stage];
  return stage ? `${rollout.stage + 1}/${all} ${stageName(stage)}` : "–";
}
