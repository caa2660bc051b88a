// What waits for a second person.
import { address } from "../api";
import { useData } from "../data";
import { t, word } from "../i18n";
import { link } from "../route";
import { titleIn } from "../title";
import type { ApprovalsPage } from "../types";
import { Empty, Page, Show, Time } from "../ui/parts";
import { Pager, Table } from "../ui/table";
import { ApprovalState, Decide } from "./approval";

const states = ["open", "approved", "rejected", "taken_back", "superseded"] as const;

export function Approvals(props: { query: URLSearchParams }) {
  const state = props.query.get("state") ?? "open";
  const after = props.query.get("after") ?? "";
  const approvals = useData<ApprovalsPage>(address("/v1/approvals", { state, after }), 10_000);
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
                    head: t("approvals.id"),
                    cell: (one) => <a href={link(["approvals", one.id])}>{one.id}</a>,
                    shrink: true,
                  },
                  {
                    head: t("common.state"),
                    cell: (one) => <ApprovalState value={one.state} />,
                    shrink: true,
                  },
                  {
                    head: t("approvals.what"),
                    cell: (one) => (
                      <>
                        <span class="quiet">{word("approvals.kind", one.kind)}</span>{" "}
                        {titleIn(one.what)}
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
                    cell: (one) =>
                      one.state === "open" && (
                        <Decide one={one} small onDone={approvals.again} />
                      ),
                    shrink: true,
                  },
                ]}
              />
              <Pager next={data.next} path={["approvals"]} query={{ state }} after={after} />
            </>
          )
        }
      </Show>
    </Page>
  );
}
