// Letting a device in: a token, shown once, and what the device needs beside it.
import { useEffect, useState } from "preact/hooks";
import { address, ask, part } from "../api";
import { useAct, useData } from "../data";
import { dateTime } from "../format";
import { t } from "../i18n";
import { session } from "../session";
import { useStore } from "../store";
import type { EnrolmentToken, EnrolmentTokensPage, ModelsPage, NewEnrolmentToken }
  from "../types";
import { Confirm } from "../ui/dialog";
import { Badge, Button, Card, Code, Empty, Field, Notice, Page, ProblemNotice, Show, Time }
  from "../ui/parts";
import { Pager, Table } from "../ui/table";
import { State } from "./people";

const validities = [
  ["enrolment.hour", 3_600],
  ["enrolment.day", 86_400],
  ["enrolment.week", 7 * 86_400],
  ["enrolment.month", 30 * 86_400],
] as const;

// All that a device needs to be let in and to be updated: docs/guide/hub.md says the same.
export function tomlOf(hub: string, device: string | undefined, models: string[]): string {
  return `device = "${device ?? "NAME"}"
models = [${(models.length ? models : ["MODEL"]).map((one) => `"${one}"`).join(", ")}]
root = "/etc/polderd/root.json"

[hub]
url = "${hub}"
token_file = "/var/lib/polderd/token"
ca_file = "/etc/polderd/hub-ca.pem"
`;
}

function Tokens(props: { after: string; turn: number }) {
  const tokens = useData<EnrolmentTokensPage>(
    address("/v1/enrolment-tokens", { after: props.after }),
    10_000,
  );
  const [asks, setAsks] = useState<EnrolmentToken | null>(null);
  const { busy, problem, act } = useAct();
  useEffect(tokens.again, [props.turn]);
  const revoke = async () => {
    if (!asks) return;
    const path = `/v1/enrolment-tokens/${part(asks.id)}/revoke`;
    if (!(await act(async () => void (await ask("POST", path))))) return;
    setAsks(null);
    tokens.again();
  };
  return (
    <Card title={t("enrolment.tokens")}>
      <Show data={tokens.data} problem={tokens.problem}>
        {(data) =>
          data.tokens.length === 0 ? (
            <Empty>{t("enrolment.tokens.none")}</Empty>
          ) : (
            <>
              <Table
                caption={t("enrolment.tokens")}
                rows={data.tokens}
                keyOf={(one) => one.id}
                columns={[
                  { head: t("enrolment.for"), cell: (one) => one.device ?? t("enrolment.any") },
                  {
                    head: t("common.state"),
                    cell: (one) =>
                      one.used && !one.revoked ? (
                        <Badge tone="quiet">
                          {t("enrolment.used", { device: one.enrolled ?? "" })}
                        </Badge>
                      ) : (
                        <State token={one} />
                      ),
                    shrink: true,
                  },
                  { head: t("people.created"), cell: (one) => <Time value={one.created} /> },
                  { head: t("enrolment.by"), cell: (one) => one.created_by },
                  { head: t("people.expires"), cell: (one) => <Time value={one.expires} /> },
                  {
                    head: t("common.actions"),
                    cell: (one) => (
                      <Button
                        class="small"
                        kind="plain"
                        needs="admin"
                        disabled={one.revoked !== null || one.used !== null}
                        aria-label={t("people.revoke.of", { name: one.device ?? one.id })}
                        onClick={() => setAsks(one)}
                      >
                        {t("people.revoke")}
                      </Button>
                    ),
                    shrink: true,
                  },
                ]}
              />
              <Pager next={data.next} path={["enrolment"]} query={{}} after={props.after} />
            </>
          )
        }
      </Show>
      {asks && (
        <Confirm
          title={t("people.revoke.title", { name: asks.device ?? asks.id })}
          text={t("enrolment.revoke.text")}
          confirm={t("people.revoke.confirm")}
          danger
          busy={busy}
          problem={problem}
          onConfirm={() => void revoke()}
          onClose={() => setAsks(null)}
        />
      )}
    </Card>
  );
}

export function Enrolment(props: { query: URLSearchParams }) {
  const isAdmin = useStore(session)?.role === "admin";
  const [turn, setTurn] = useState(0);
  const [device, setDevice] = useState("");
  const [valid, setValid] = useState(86_400);
  const [made, setMade] = useState<NewEnrolmentToken | null>(null);
  const models = useData<ModelsPage>(made && "/v1/models?limit=1000").data?.models ?? [];
  const { busy, problem, act } = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    void act(async () => {
      const name = device.trim();
      setMade(null);
      setMade(
        await ask<NewEnrolmentToken>("POST", "/v1/enrolment-tokens", {
          valid_s: valid,
          ...(name ? { device: name } : {}),
        }),
      );
      setTurn((n) => n + 1);
    });
  };
  return (
    <Page title={t("enrolment.title")}>
      <p class="intro">{t("enrolment.intro")}</p>
      <Card>
        <form class="inline" onSubmit={submit}>
          <Field label={t("enrolment.device")} hint={t("enrolment.device.hint")}>
            {(ids) => (
              <input
                {...ids}
                value={device}
                onInput={(event) => setDevice(event.currentTarget.value)}
                maxLength={64}
                spellcheck={false}
              />
            )}
          </Field>
          <Field label={t("enrolment.valid")}>
            {(ids) => (
              <select
                {...ids}
                value={String(valid)}
                onChange={(event) => setValid(Number(event.currentTarget.value))}
              >
                {validities.map(([name, seconds]) => (
                  <option key={name} value={String(seconds)}>
                    {t(name)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Button type="submit" kind="main" needs="admin" disabled={busy}>
            {t("enrolment.submit")}
          </Button>
        </form>
        <ProblemNotice problem={problem} />
      </Card>
      {made && (
        <Card title={t("enrolment.made")}>
          <Notice tone="warn">
            {t("enrolment.once", { time: dateTime(made.expires) })}{" "}
            {made.device && t("enrolment.only", { device: made.device })}
          </Notice>
          <ol class="steps">
            <li>
              <p>{t("enrolment.step.token")}</p>
              <Code text={made.token} label={t("enrolment.made")} />
            </li>
            <li>
              <p>{t("enrolment.step.ca")}</p>
            </li>
            <li>
              <p>{t("enrolment.step.root")}</p>
            </li>
            <li>
              <p>{t("enrolment.step.toml")}</p>
              <Code
                text={tomlOf(location.origin, made.device, models.map((one) => one.name))}
                label="polderd.toml"
              />
            </li>
          </ol>
        </Card>
      )}
      {isAdmin && <Tokens after={props.query.get("after") ?? ""} turn={turn} />}
    </Page>
  );
}
