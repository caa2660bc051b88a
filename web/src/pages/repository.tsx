// The repository that devices fetch from: its roles, what is about to expire, what is on its way.
import { useEffect, useState } from "preact/hooks";
import { fingerprint } from "../audit/proof";
import { useData } from "../data";
import { count } from "../format";
import { t, word } from "../i18n";
import { link } from "../route";
import { titleIn } from "../title";
import type { Approval, ApprovalsPage, ModelsPage, Repository, RepositoryRole } from "../types";
import { Badge, Card, Code, Empty, Facts, Hash, Notice, Page, Show, Time, type Tone }
  from "../ui/parts";
import { Table } from "../ui/table";
import { versionsOf } from "./models";

const everyMs = 15_000;

export function RepositoryPage() {
  const repository = useData<Repository>("/v1/repository", everyMs);
  return (
    <Page title={t("repository.title")}>
      <p class="intro">{t("repository.intro")}</p>
      <Show data={repository.data} problem={repository.problem}>
        {(data) => (
          <>
            {data.warnings.map((one) => (
              <Notice key={one.role} tone={one.expired ? "bad" : "warn"}>
                <b>{one.role}</b>{" "}
                {t(one.expired ? "repository.expired" : "repository.expires")}{" "}
                <Time value={one.expires} />: {one.renewal}
              </Notice>
            ))}
            <Card title={t("repository.roles")}>
              {data.roles.length === 0 ? (
                <Empty>{t("repository.empty")}</Empty>
              ) : (
                <Roles repository={data} />
              )}
            </Card>
            <div class="columns">
              <Card title={t("repository.coming")}>
                <Coming />
              </Card>
              <Card title={t("repository.published")}>
                <Published />
              </Card>
            </div>
            <Card title={t("repository.key")}>
              <OnlineKey pem={data.online_key} />
            </Card>
          </>
        )}
      </Show>
    </Page>
  );
}

function stateOf(role: RepositoryRole, repository: Repository): { tone: Tone; text: string } {
  const warning = repository.warnings.find((one) => one.role === role.role);
  if (!warning) return { tone: "good", text: t("repository.state.valid") };
  return warning.expired
    ? { tone: "bad", text: t("repository.state.expired") }
    : { tone: "warn", text: t("repository.state.soon") };
}

// A role that people have made beside those of TUF has no text here.
function roleText(role: string): string {
  const text = word("repository.role", role);
  return text === role ? "" : text;
}

function Roles(props: { repository: Repository }) {
  const { repository } = props;
  return (
    <Table
      caption={t("repository.roles")}
      rows={repository.roles}
      keyOf={(one) => one.role}
      columns={[
        {
          head: t("repository.role"),
          cell: (one) => (
            <>
              <b>{one.role}</b> <span class="quiet">{roleText(one.role)}</span>
            </>
          ),
        },
        {
          head: t("common.state"),
          cell: (one) => {
            const { tone, text } = stateOf(one, repository);
            return <Badge tone={tone}>{text}</Badge>;
          },
          shrink: true,
        },
        {
          head: t("repository.until"),
          cell: (one) => <Time value={one.expires} />,
          shrink: true,
        },
        { head: t("model.version"), cell: (one) => one.version, align: "end", shrink: true },
        {
          head: t("repository.signers"),
          cell: (one) =>
            t(one.online ? "repository.signers.hub" : "repository.signers.people", {
              n: one.threshold,
              of: one.keys,
            }),
          shrink: true,
        },
        {
          head: t("repository.targets"),
          cell: (one) => (one.targets ? count(one.targets) : "–"),
          align: "end",
          shrink: true,
        },
      ]}
    />
  );
}

// What was pushed and waits for a second person, or was approved and is being published.
function Coming() {
  const approvals = useData<ApprovalsPage>("/v1/approvals?limit=100", everyMs);
  return (
    <Show data={approvals.data} problem={approvals.problem}>
      {(page) => {
        const coming = page.approvals.filter(
          (one) =>
            one.kind === "publication" && ["open", "approved"].includes(one.state) && !one.done,
        );
        if (coming.length === 0) return <Empty>{t("repository.coming.none")}</Empty>;
        return (
          <ul class="lines">
            {coming.map((one) => (
              <Publication key={one.id} one={one} />
            ))}
          </ul>
        );
      }}
    </Show>
  );
}

function Publication(props: { one: Approval }) {
  const { one } = props;
  return (
    <li>
      <a href={link(["approvals", one.id])}>{titleIn(one.what)}</a>
      <span class="quiet">
        {t("release.by", { name: one.asked_by })}, <Time value={one.asked} />
      </span>
      <Badge tone={one.state === "open" ? "warn" : "info"}>
        {t(one.state === "open" ? "repository.coming.waits" : "repository.coming.approved")}
      </Badge>
    </li>
  );
}

function Published() {
  const models = useData<ModelsPage>("/v1/models?limit=1000", everyMs);
  return (
    <Show data={models.data} problem={models.problem}>
      {(page) =>
        page.models.length === 0 ? (
          <Empty>{t("models.none")}</Empty>
        ) : (
          <ul class="lines">
            {page.models.map((one) => (
              <li key={one.name}>
                <a href={link(["models", one.name])}>{one.name}</a>
                <span class="quiet">{versionsOf(one).join(", ")}</span>
              </li>
            ))}
          </ul>
        )
      }
    </Show>
  );
}

function OnlineKey(props: { pem: string }) {
  const [sha256, setSha256] = useState("");
  useEffect(() => {
    let live = true;
    void fingerprint(props.pem).then((found) => {
      if (live) setSha256(found);
    });
    return () => {
      live = false;
    };
  }, [props.pem]);
  return (
    <>
      <p class="hint">{t("repository.key.hint")}</p>
      <Facts rows={[["SHA-256", <Hash value={sha256} />]]} />
      <Code text={props.pem.trim()} label={t("repository.key")} />
    </>
  );
}
