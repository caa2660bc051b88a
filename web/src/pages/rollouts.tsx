// All rollouts, and how to begin one.
import { useState } from "preact/hooks";
import { address, ask } from "../api";
import { useAct, useData } from "../data";
import { t } from "../i18n";
import { go, link } from "../route";
import type { Rollout, RolloutsPage } from "../types";
import { Confirm } from "../ui/dialog";
import { Button, Empty, Field, Page, Show, Time } from "../ui/parts";
import { Pager, Table } from "../ui/table";
import { Phase, ReleaseLink } from "./common";

const phases = ["", "running", "paused", "aborted", "done"] as const;

export function Rollouts(props: { query: URLSearchParams }) {
  const phase = props.query.get("phase") ?? "";
  const after = props.query.get("after") ?? "";
  const model = props.query.get("model") ?? "";
  const rollouts = useData<RolloutsPage>(address("/v1/rollouts", { phase, after }), 10_000);
  const [asks, setAsks] = useState(model !== "");
  return (
    <Page
      title={t("rollouts.title")}
      actions={
        rollouts.data && (
          <Button kind="main" needs="operator" onClick={() => setAsks(true)}>
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
                    cell: (one) => <span class="prose">{one.reason || "–"}</span>,
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
      {asks && (
        <NewRollout
          model={model}
          version={props.query.get("version") ?? ""}
          onClose={() => setAsks(false)}
        />
      )}
    </Page>
  );
}

export function stageText(rollout: Rollout): string {
  const all = rollout.stages?.length ?? 0;
  const text = rollout.stages?.[rollout.stage]?.text ?? "";
  return all ? `${Math.min(rollout.stage + 1, all)}/${all} ${text}` : "–";
}

function NewRollout(props: { model: string; version: string; onClose: () => void }) {
  const [model, setModel] = useState(props.model);
  const [version, setVersion] = useState(props.version);
  const [query, setQuery] = useState("");
  const { busy, problem, act } = useAct();
  const start = () =>
    act(async () => {
      const made = await ask<Rollout>("POST", "/v1/rollouts", {
        model: model.trim(),
        version: version.trim(),
        ...(query.trim() ? { query: query.trim() } : {}),
      });
      props.onClose();
      go(link(["rollouts", made.id]));
    });
  const input = (value: string, set: (value: string) => void, required = true) =>
    (ids: object) => (
      <input
        {...ids}
        required={required}
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
        spellcheck={false}
      />
    );
  return (
    <Confirm
      title={t("rollouts.new")}
      text={t("rollouts.new.text")}
      confirm={t("rollouts.start")}
      busy={busy}
      problem={problem}
      onConfirm={() => void start()}
      onClose={props.onClose}
    >
      <Field label={t("rollouts.model")}>{input(model, setModel)}</Field>
      <Field label={t("rollouts.version")}>{input(version, setVersion)}</Field>
      <Field label={t("rollouts.query")} hint={t("devices.search.hint")}>
        {input(query, setQuery, false)}
      </Field>
    </Confirm>
  );
}
