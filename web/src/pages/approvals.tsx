// What waits for a second person.
import { useState } from "preact/hooks";
import { address, ask, part } from "../api";
import { useAct, useData } from "../data";
import { t, word } from "../i18n";
import { link } from "../route";
import { session } from "../session";
import type { Approval, ApprovalsPage } from "../types";
import { Confirm } from "../ui/dialog";
import { Badge, Button, Empty, hasContent, Page, Show, Time, Tree, type Tone }
  from "../ui/parts";
import { Pager, Table } from "../ui/table";

const states = ["open", "approved", "rejected", "superseded"] as const;
const tones: Record<string, Tone> = { open: "warn", approved: "good", rejected: "bad" };

// All that it changes, for who is to decide.
function Details(props: { id: string }) {
  const approval = useData<Approval>(`/v1/approvals/${part(props.id)}`);
  return (
    <Show data={approval.data} problem={approval.problem}>
      {(one) =>
        hasContent(one.details) && (
          <div class="scroll" tabIndex={0} role="region" aria-label={t("audit.details")}>
            <Tree value={one.details} />
          </div>
        )
      }
    </Show>
  );
}

export function Approvals(props: { query: URLSearchParams }) {
  const state = props.query.get("state") ?? "open";
  const after = props.query.get("after") ?? "";
  const approvals = useData<ApprovalsPage>(address("/v1/approvals", { state, after }), 10_000);
  const [asks, setAsks] = useState<{ one: Approval; verb: "approve" | "reject" } | null>(null);
  const { busy, problem, act } = useAct();
  const decide = async () => {
    if (!asks) return;
    const path = `/v1/approvals/${part(asks.one.id)}/${asks.verb}`;
    if (!(await act(async () => void (await ask("POST", path))))) return;
    setAsks(null);
    approvals.again();
  };
  return (
    <Page title={t("approvals.title")}>
      <p class="intro">{t("approvals.intro")}</p>
      <ul class="tabs">
        {states.map((one) => (
          <li key={one}>
            <a
              href={link(["approvals"], { state: one })}
              aria-current={one === state ? "true" : undefined}
            >
              {t(`approvals.state.${one}`)}
            </a>
          </li>
        ))}
      </ul>
      <Show data={approvals.data} problem={approvals.problem}>
        {(data) =>
          data.approvals.length === 0 ? (
            <Empty>{state === "open" ? t("approvals.none") : t("approvals.none.state")}</Empty>
          ) : (
            <>
              <Table
                caption={t("approvals.title")}
                rows={data.approvals}
                keyOf={(one) => one.id}
                columns={[
                  {
                    head: t("common.state"),
                    cell: (one) => (
                      <Badge tone={tones[one.state] ?? "quiet"}>
                        {word("approvals.state", one.state)}
                      </Badge>
                    ),
                    shrink: true,
                  },
                  {
                    head: t("approvals.what"),
                    cell: (one) => (
                      <>
                        <span class="quiet">{word("approvals.kind", one.kind)}</span>{" "}
                        {one.what}
                      </>
                    ),
                  },
                  {
                    head: t("approvals.asked"),
                    cell: (one) => (
                      <>
                        {one.asked_by}, <Time value={one.asked} />
                      </>
                    ),
                  },
                  {
                    head: t("approvals.decided"),
                    cell: (one) =>
                      one.decided_by ? (
                        <>
                          {one.decided_by}, <Time value={one.decided} />
                        </>
                      ) : (
                        "–"
                      ),
                  },
                  {
                    head: t("common.actions"),
                    cell: (one) => one.state === "open" && <Decide one={one} onAsk={setAsks} />,
                    shrink: true,
                  },
                ]}
              />
              <Pager next={data.next} path={["approvals"]} query={{ state }} after={after} />
            </>
          )
        }
      </Show>
      {asks && (
        <Confirm
          title={t(`approvals.${asks.verb}.title`, { what: asks.one.what })}
          text={t("approvals.confirm.text", { name: asks.one.asked_by })}
          confirm={t(`approvals.${asks.verb}`)}
          danger={asks.verb === "reject"}
          busy={busy}
          problem={problem}
          onConfirm={decide}
          onClose={() => setAsks(null)}
          wide
        >
          <Details id={asks.one.id} />
        </Confirm>
      )}
    </Page>
  );
}

function Decide(props: {
  one: Approval;
  onAsk: (asks: { one: Approval; verb: "approve" | "reject" }) => void;
}) {
  const { one } = props;
  if (one.asked_by === session.get()?.name)
    return <span class="quiet">{t("approvals.mine")}</span>;
  return (
    <div class="row">
      {(["approve", "reject"] as const).map((verb) => (
        <Button
          key={verb}
          class="small"
          kind={verb === "approve" ? "main" : "plain"}
          needs="releaser"
          aria-label={`${t(`approvals.${verb}`)}: ${one.what}`}
          onClick={() => props.onAsk({ one, verb })}
        >
          {t(`approvals.${verb}`)}
        </Button>
      ))}
    </div>
  );
}
