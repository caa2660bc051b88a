// The audit log, and the proof of each entry, checked in the browser.
import { useEffect, useState } from "preact/hooks";
import { address, ask, Problem } from "../api";
import { checkProof, ProofError, hex, type Proof, type Shown }
  from "../audit/proof";
import { useData } from "../data";
import { count } from "../format";
import { t } from "../i18n";
import { go, link } from "../route";
import type { AuditEntry, AuditPage, SignedCheckpoint } from "../types";
import { Dialog } from "../ui/dialog";
import { Brief, Button, Card, Empty, Facts, Field, Hash, Notice, Page, ProblemNotice, Show, Time }
  from "../ui/parts";
import { Pager, Table } from "../ui/table";

const pageSize = 50;
const filters = ["actor", "act", "object"] as const;
const keptKey = "polder.audit-key"; // in localStorage: SHA-256 of the key that the person trusts

export function Audit(props: { query: URLSearchParams }) {
  const before = props.query.get("before") ?? "";
  const chosen = Object.fromEntries(
    filters.map((name) => [name, props.query.get(name) ?? ""]),
  ) as Record<(typeof filters)[number], string>;
  const page = useData<AuditPage>(
    address("/v1/audit", { ...chosen, limit: pageSize, before }),
    15_000,
  );
  const [checks, setChecks] = useState<AuditEntry | null>(null);
  return (
    <Page title={t("audit.title")}>
      <p class="intro">{t("audit.intro")}</p>
      <Filters chosen={chosen} />
      <Show data={page.data} problem={page.problem}>
        {(data) =>
          data.entries.length === 0 ? (
            <Empty>{t("audit.none")}</Empty>
          ) : (
            <>
              <Entries entries={data.entries} onCheck={setChecks} />
              <Pager
                next={data.next}
                path={["audit"]}
                query={chosen}
                after={before}
                cursor="before"
              />
            </>
          )
        }
      </Show>
      {checks && <Check entry={checks} onClose={() => setChecks(null)} />}
    </Page>
  );
}

function Filters(props: { chosen: Record<(typeof filters)[number], string> }) {
  const [values, setValues] = useState(props.chosen);
  const key = JSON.stringify(props.chosen);
  useEffect(() => setValues(props.chosen), [key]);
  return (
    <form
      class="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(link(["audit"], values));
      }}
    >
      {filters.map((name) => (
        <Field key={name} label={t(`audit.${name}`)}>
          {(ids) => (
            <input
              {...ids}
              value={values[name]}
              onInput={(event) =>
                setValues({ ...values, [name]: event.currentTarget.value.trim() })
              }
              spellcheck={false}
            />
          )}
        </Field>
      ))}
      <Button type="submit">{t("audit.filter")}</Button>
      {key !== JSON.stringify({ actor: "", act: "", object: "" }) && (
        <a class="button quiet" href={link(["audit"])}>
          {t("devices.search.clear")}
        </a>
      )}
    </form>
  );
}

function Entries(props: { entries: AuditEntry[]; onCheck: (entry: AuditEntry) => void }) {
  return (
    <Table
      caption={t("audit.title")}
      rows={props.entries}
      keyOf={(one) => String(one.sequence)}
      columns={[
        {
          head: t("audit.sequence"),
          cell: (one) => one.sequence,
          align: "end",
          shrink: true,
        },
        { head: t("common.time"), cell: (one) => <Time value={one.time} />, shrink: true },
        { head: t("audit.actor"), cell: (one) => one.actor, shrink: true },
        { head: t("audit.act"), cell: (one) => <code>{one.act}</code>, shrink: true },
        { head: t("audit.object"), cell: (one) => one.object },
        {
          head: t("audit.details"),
          cell: (one) => <Brief value={{ ...one.details, id: null }} />,
        },
        {
          head: t("common.actions"),
          cell: (one) => (
            <Button
              class="small"
              aria-label={t("audit.check.of", { n: one.sequence })}
              onClick={() => props.onCheck(one)}
            >
              {t("audit.check")}
            </Button>
          ),
          shrink: true,
        },
      ]}
    />
  );
}

type Outcome =
  | { shown: Shown }
  | { wrong: string }
  | { problem: Problem };

async function outcomeOf(entry: AuditEntry): Promise<Outcome> {
  try {
    const proof = await ask<Proof>("GET", `/v1/audit/${entry.sequence}/proof`);
    if (proof.entry !== entry.line) return { wrong: t("audit.proof.other") };
    const { key } = await ask<SignedCheckpoint>("GET", "/v1/audit/checkpoint");
    return { shown: await checkProof(proof, key) };
  } catch (error) {
    if (error instanceof ProofError) return { wrong: error.message };
    if (error instanceof Problem) return { problem: error };
    return { wrong: String(error) };
  }
}

function Check(props: { entry: AuditEntry; onClose: () => void }) {
  const { entry } = props;
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  useEffect(() => {
    let live = true;
    void outcomeOf(entry).then((found) => {
      if (live) setOutcome(found);
    });
    return () => {
      live = false;
    };
  }, [entry]);
  return (
    <Dialog title={t("audit.proof.title", { n: entry.sequence })} onClose={props.onClose} wide>
      {!outcome && <p role="status">{t("common.loading")}</p>}
      {outcome && "problem" in outcome && <ProblemNotice problem={outcome.problem} />}
      {outcome && "wrong" in outcome && (
        <Notice tone="bad">{t("audit.proof.bad", { why: outcome.wrong })}</Notice>
      )}
      {outcome && "shown" in outcome && <Proven shown={outcome.shown} entry={entry} />}
      <div class="row end">
        <Button kind="main" onClick={props.onClose}>
          {t("common.close")}
        </Button>
      </div>
    </Dialog>
  );
}

function Proven(props: { shown: Shown; entry: AuditEntry }) {
  const { shown } = props;
  return (
    <>
      <Notice tone="good">{t("audit.proof.good")}</Notice>
      <KeyKept sha256={shown.key} />
      <Card>
        <Facts
          rows={[
            [t("audit.proof.log"), shown.checkpoint.origin],
            [t("audit.proof.size"), count(shown.checkpoint.size)],
            [t("audit.proof.key"), <Hash value={shown.key} />],
            [t("audit.proof.entry"), <code class="prose">{props.entry.line}</code>],
            [t("audit.proof.leaf"), <Hash value={hex(shown.leaf)} />],
            [
              t("audit.proof.hashes"),
              shown.hashes.length === 0 ? (
                t("common.none")
              ) : (
                <ol class="hashes">
                  {shown.hashes.map((hash, i) => (
                    <li key={i}>
                      <Hash value={hex(hash)} />
                    </li>
                  ))}
                </ol>
              ),
            ],
            [t("audit.proof.root"), <Hash value={hex(shown.root)} />],
          ]}
        />
      </Card>
    </>
  );
}

// A hub that lies would give another key too: only one that was compared by other means says who
// signed.
function KeyKept(props: { sha256: string }) {
  const [kept, setKept] = useState(localStorage.getItem(keptKey));
  const keep = (value: string | null) => {
    if (value) localStorage.setItem(keptKey, value);
    else localStorage.removeItem(keptKey);
    setKept(value);
  };
  if (kept === props.sha256)
    return (
      <p class="quiet">
        {t("audit.key.known")}{" "}
        <Button class="small" kind="quiet" onClick={() => keep(null)}>
          {t("audit.key.forget")}
        </Button>
      </p>
    );
  return (
    <>
      <Notice tone={kept ? "bad" : "warn"}>
        {kept ? t("audit.key.changed", { known: kept }) : t("audit.key.first")}
      </Notice>
      <p>
        <Button class="small" onClick={() => keep(kept ? null : props.sha256)}>
          {kept ? t("audit.key.forget") : t("audit.key.keep")}
        </Button>
      </p>
    </>
  );
}
