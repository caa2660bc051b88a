// Who may do what: the tokens of people and scripts.
import { useState } from "preact/hooks";
import { address, ask, part } from "../api";
import { useAct, useData } from "../data";
import { t } from "../i18n";
import { roles, type Role } from "../session";
import type { NewToken, Token, TokensPage } from "../types";
import { Confirm } from "../ui/dialog";
import { Badge, Button, Card, Code, Empty, Field, Notice, Page, ProblemNotice, Show, Time }
  from "../ui/parts";
import { Pager, Table } from "../ui/table";

const validities = [
  ["people.valid.ever", 0],
  ["people.valid.day", 86_400],
  ["people.valid.month", 30 * 86_400],
  ["people.valid.year", 365 * 86_400],
] as const;

export function People(props: { query: URLSearchParams }) {
  const after = props.query.get("after") ?? "";
  const tokens = useData<TokensPage>(address("/v1/tokens", { after }), 30_000);
  const [asks, setAsks] = useState<Token | null>(null);
  const { busy, problem, act } = useAct();
  const revoke = async () => {
    if (!asks) return;
    const path = `/v1/tokens/${part(asks.id)}/revoke`;
    if (!(await act(async () => void (await ask("POST", path))))) return;
    setAsks(null);
    tokens.again();
  };
  return (
    <Page title={t("people.title")}>
      <p class="intro">{t("people.intro")}</p>
      <Card title={t("people.new")}>
        <NewPerson onMade={tokens.again} />
      </Card>
      <Show data={tokens.data} problem={tokens.problem}>
        {(data) =>
          data.tokens.length === 0 ? (
            <Empty>{t("people.none")}</Empty>
          ) : (
            <>
              <Table
                caption={t("people.title")}
                rows={data.tokens}
                keyOf={(one) => one.id}
                columns={[
                  { head: t("common.name"), cell: (one) => <b>{one.name}</b>, shrink: true },
                  { head: t("people.id"), cell: (one) => <code>{one.id}</code>, shrink: true },
                  { head: t("people.role"), cell: (one) => t(`role.${one.role}`), shrink: true },
                  { head: t("common.state"), cell: (one) => <State token={one} />, shrink: true },
                  { head: t("people.created"), cell: (one) => <Time value={one.created} /> },
                  {
                    head: t("people.expires"),
                    cell: (one) => (
                      <Time value={one.expires} fallback={t("people.valid.ever")} />
                    ),
                  },
                  {
                    head: t("common.actions"),
                    cell: (one) => (
                      <Button
                        class="small"
                        kind="plain"
                        needs="admin"
                        disabled={one.revoked !== null}
                        aria-label={t("people.revoke.of", { name: one.name })}
                        onClick={() => setAsks(one)}
                      >
                        {t("people.revoke")}
                      </Button>
                    ),
                    shrink: true,
                  },
                ]}
              />
              <Pager next={data.next} path={["people"]} query={{}} after={after} />
            </>
          )
        }
      </Show>
      {asks && (
        <Confirm
          title={t("people.revoke.title", { name: asks.name })}
          text={t("people.revoke.text")}
          confirm={t("people.revoke.confirm")}
          danger
          busy={busy}
          problem={problem}
          onConfirm={() => void revoke()}
          onClose={() => setAsks(null)}
        />
      )}
    </Page>
  );
}

// Of a token, of people or of a device to be.
export function State(props: { token: Pick<Token, "revoked" | "expires"> }) {
  const { revoked, expires } = props.token;
  if (revoked) return <Badge tone="bad">{t("people.state.revoked")}</Badge>;
  if (expires && Date.parse(expires) < Date.now())
    return <Badge tone="quiet">{t("people.state.expired")}</Badge>;
  return <Badge tone="good">{t("people.state.valid")}</Badge>;
}

function NewPerson(props: { onMade: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [valid, setValid] = useState(0);
  const [made, setMade] = useState<NewToken | null>(null);
  const { busy, problem, act } = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    void act(async () => {
      setMade(null);
      const body = { name: name.trim(), role, ...(valid ? { valid_s: valid } : {}) };
      setMade(await ask<NewToken>("POST", "/v1/tokens", body));
      setName("");
      props.onMade();
    });
  };
  return (
    <>
      <form class="inline" onSubmit={submit}>
        <Field label={t("common.name")} hint={t("people.name.hint")}>
          {(ids) => (
            <input
              {...ids}
              required
              value={name}
              maxLength={64}
              onInput={(event) => setName(event.currentTarget.value)}
              spellcheck={false}
            />
          )}
        </Field>
        <Field label={t("people.role")}>
          {(ids) => (
            <select
              {...ids}
              value={role}
              onChange={(event) => setRole(event.currentTarget.value as Role)}
            >
              {roles.map((one) => (
                <option key={one} value={one}>
                  {t(`role.${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t("people.valid")}>
          {(ids) => (
            <select
              {...ids}
              value={String(valid)}
              onChange={(event) => setValid(Number(event.currentTarget.value))}
            >
              {validities.map(([key, seconds]) => (
                <option key={key} value={String(seconds)}>
                  {t(key)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Button type="submit" kind="main" needs="admin" disabled={busy}>
          {t("people.submit")}
        </Button>
      </form>
      <ProblemNotice problem={problem} />
      {made && (
        <div class="made">
          <Notice tone="warn">
            <b>{t("people.made", { name: made.name })}.</b> {t("people.once")}
          </Notice>
          <Code text={made.token} label={t("people.made", { name: made.name })} />
        </div>
      )}
    </>
  );
}
