// One thing that waits for a second person, or that somebody has decided: all that it changes, for
// who decides, who asked and who looks on.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ask, part } from "../api";
import { useAct, useData } from "../data";
import { dateTime } from "../format";
import { t, word } from "../i18n";
import { link } from "../route";
import { session } from "../session";
import { titleIn } from "../title";
import type { Approval, Changes, PublicationDetails } from "../types";
import { Confirm } from "../ui/dialog";
import { Badge, Button, Card, Facts, Hash, Page, Show, Time, type Tone } from "../ui/parts";
import { Table } from "../ui/table";
import {
  isSignedAnew, pathsOf, releaseOf, shownFiles, shownTargets, signersOf, thresholdText, type Some,
} from "./changes";
import { ReleaseLink } from "./common";

const everyMs = 10_000;
const tones: Record<string, Tone> = { open: "warn", approved: "good", rejected: "bad" };

export function ApprovalState(props: { value: string }) {
  return (
    <Badge tone={tones[props.value] ?? "quiet"}>{word("approvals.state", props.value)}</Badge>
  );
}

const addressOf = (id: string) => `/v1/approvals/${part(id)}`;

export function ApprovalPage(props: { id: string }) {
  const { data, problem, again } = useData<Approval>(addressOf(props.id), everyMs);
  return (
    <Page
      title={t(data?.kind === "alias" ? "approval.title.alias" : "approval.title", {
        id: props.id,
      })}
      kicker={<a href={link(["approvals"])}>{t("approvals.title")}</a>}
      actions={
        data && (
          <>
            <ApprovalState value={data.state} />
            {data.state === "open" && <Decide one={data} onDone={again} />}
          </>
        )
      }
    >
      <Show data={data} problem={problem}>
        {(one) => (
          <>
            <p class="lead">{titleIn(one.what)}</p>
            <Card title={t("approval.who")}>
              <Who one={one} />
            </Card>
            <Details one={one} />
          </>
        )}
      </Show>
    </Page>
  );
}

function Who(props: { one: Approval }) {
  const { one } = props;
  const by = one.details?.superseded_by;
  const rows: [string, ComponentChildren][] = [
    [
      t("approvals.asked"),
      <>
        {one.asked_by}, <Time value={one.asked} />
      </>,
    ],
  ];
  if (by)
    rows.push([
      t("approval.superseded"),
      <>
        {by}, <Time value={one.decided} />
      </>,
    ]);
  else if (one.decided)
    rows.push([
      word("approval", one.state),
      <>
        {one.decided_by}, <Time value={one.decided} />
        {one.reason && `: ${one.reason}`}
      </>,
    ]);
  if (one.rivals?.length)
    rows.push([t("approval.rivals"), <Rivals ids={one.rivals} />]);
  if (one.state === "approved")
    rows.push([t("approval.done"), <Time value={one.done} fallback={t("approval.done.not")} />]);
  return <Facts rows={rows} />;
}

function Rivals(props: { ids: string[] }) {
  return (
    <>
      {props.ids.map((id, index) => (
        <>
          {index > 0 && ", "}
          <a href={link(["approvals", id])}>{id}</a>
        </>
      ))}
      : {t("approval.rivals.why")}
    </>
  );
}

// All that it changes. `one`: as the hub shows one alone.
function Details(props: { one: Approval }) {
  const { kind, state, details } = props.one;
  if (!details) return null;
  if (kind === "alias")
    return (
      <Card title={t("approval.changes")}>
        <Facts
          rows={[
            [t("model.alias"), details.alias ?? "–"],
            [
              t("device.release"),
              <ReleaseLink model={details.model} version={details.version} />,
            ],
          ]}
        />
      </Card>
    );
  if (!details.changes) return null;
  const publication = details as PublicationDetails;
  return (
    <>
      <Card title={t(state === "open" ? "approval.changes.now" : "approval.changes.then")}>
        <WhatChanges details={publication} isThere={state === "open" || state === "approved"} />
      </Card>
      <Card title={t("approval.signed")}>
        <Facts
          rows={signersOf(publication).map(({ role, keys }) => [
            role,
            <Keys ids={keys} names={publication.key_names} />,
          ])}
        />
      </Card>
    </>
  );
}

function Key(props: { id: string; names: Record<string, string> }) {
  const name = props.names[props.id];
  return (
    <>
      <Hash value={props.id} />
      {name && <span> ({name === "the hub's own" ? t("approval.key.hub") : name})</span>}
    </>
  );
}

function Keys(props: { ids: string[]; names: Record<string, string> }) {
  return (
    <ul class="tree">
      {props.ids.map((id) => (
        <li key={id}>
          <Key id={id} names={props.names} />
        </li>
      ))}
    </ul>
  );
}

function Part(props: { title: string; children: ComponentChildren }) {
  return (
    <section class="part">
      <h3>{props.title}</h3>
      {props.children}
    </section>
  );
}

function More(props: { some: Some<unknown> }) {
  const { shown, all } = props.some;
  if (shown.length === all) return null;
  return <p class="quiet">{t("changes.more", { shown: shown.length, all })}</p>;
}

function WhatChanges(props: { details: PublicationDetails; isThere: boolean }) {
  const { changes, key_names: names } = props.details;
  const releases = [
    ...props.details.releases.map((target) => ({ sign: "+", target })),
    ...props.details.withdrawn.map((target) => ({ sign: "−", target })),
  ];
  return (
    <>
      {isSignedAnew(changes) && <p>{t("changes.anew")}</p>}
      {releases.length > 0 && (
        <Part title={t("releases.title")}>
          <ul class="changes">
            {releases.map(({ sign, target }) => (
              <li key={target}>
                {t(sign === "+" ? "changes.adds" : "changes.withdraws")}{" "}
                <Release target={target} isThere={props.isThere} />
              </li>
            ))}
          </ul>
        </Part>
      )}
      {changes.floors.length > 0 && (
        <Part title={t("changes.floors")}>
          <ul class="changes">
            {changes.floors.map((one) => (
              <li key={one.model}>
                {t("changes.floor", {
                  model: one.model,
                  after: one.after || t("common.none"),
                  before: one.before || t("common.none"),
                })}
              </li>
            ))}
          </ul>
        </Part>
      )}
      {(changes.trust.length > 0 || changes.other.length > 0) && (
        <Part title={t("changes.trust")}>
          <ul class="changes">
            {changes.trust.map((one) => (
              <Trust key={one.role} change={one} names={names} />
            ))}
            {changes.other.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </Part>
      )}
      {changes.targets.length > 0 && <Targets changes={changes} />}
      {changes.files.length > 0 && <Roles changes={changes} />}
    </>
  );
}

function Release(props: { target: string; isThere: boolean }) {
  const release = releaseOf(props.target);
  if (!release) return <>{props.target}</>;
  if (!props.isThere) return <>{`${release.model} ${release.version}`}</>;
  return <ReleaseLink {...release} />;
}

function Trust(props: { change: Changes["trust"][number]; names: Record<string, string> }) {
  const { change, names } = props;
  const keys = [
    ...change.added_keys.map((id) => ({ sign: "+", id })),
    ...change.removed_keys.map((id) => ({ sign: "−", id })),
  ];
  return (
    <li>
      <b>{change.role}</b>: {thresholdText(change)}
      <ul>
        {keys.map(({ sign, id }) => (
          <li key={`${sign}${id}`}>
            {sign} {t("changes.key")} <Key id={id} names={names} />
          </li>
        ))}
        {pathsOf(change).map(({ sign, path }) => (
          <li key={`${sign}${path}`}>
            {sign} {t("changes.path")} {path}
          </li>
        ))}
      </ul>
    </li>
  );
}

function Targets(props: { changes: Changes }) {
  const some = shownTargets(props.changes);
  return (
    <Part title={t("changes.targets")}>
      <Table
        caption={t("changes.targets")}
        rows={some.shown}
        keyOf={(one) => `${one.role} ${one.path}`}
        columns={[
          {
            head: t("changes.target"),
            cell: (one) => (
              <>
                {one.sha256_before ? (one.sha256 ? "~" : "−") : "+"}{" "}
                <span class="prose">{one.path}</span>
                {one.problem && (
                  <>
                    <br />
                    <Badge tone="bad">{one.problem}</Badge>
                  </>
                )}
              </>
            ),
          },
          { head: t("changes.sha256"), cell: (one) => <Hash value={one.sha256} /> },
          { head: t("changes.before"), cell: (one) => <Hash value={one.sha256_before} /> },
        ]}
      />
      <More some={some} />
    </Part>
  );
}

function Roles(props: { changes: Changes }) {
  const some = shownFiles(props.changes);
  return (
    <Part title={t("repository.roles")}>
      <Table
        caption={t("repository.roles")}
        rows={some.shown}
        keyOf={(one) => one.role}
        columns={[
          { head: t("repository.role"), cell: (one) => one.role },
          { head: t("model.version"), cell: (one) => one.version, shrink: true },
          { head: t("repository.until"), cell: (one) => dateTime(one.expires) },
          {
            head: t("changes.before"),
            cell: (one) =>
              one.version_before
                ? t("changes.role.before", {
                    version: one.version_before,
                    until: one.expires_before ? dateTime(one.expires_before) : "–",
                  })
                : t("changes.role.new"),
          },
        ]}
      />
      <More some={some} />
    </Part>
  );
}

// Who asked for it takes it back by rejecting it.
type Verb = "approve" | "reject" | "take_back";

// The buttons of whoever decides on an open one, and what asks them whether they are sure. Who has
// asked for it is told so.
export function Decide(props: { one: Approval; small?: boolean; onDone: () => void }) {
  const { one } = props;
  const [verb, setVerb] = useState<Verb | null>(null);
  const mine = one.asked_by === session.get()?.name;
  const verbs: Verb[] = mine ? ["take_back"] : ["approve", "reject"];
  return (
    <div class="row">
      {mine && <span class="quiet">{t("approvals.mine")}</span>}
      {verbs.map((each) => (
        <Button
          key={each}
          class={props.small ? "small" : ""}
          kind={each === "approve" ? "main" : "plain"}
          needs="releaser"
          aria-label={`${t(`approvals.${each}`)}: ${titleIn(one.what)}`}
          onClick={() => setVerb(each)}
        >
          {t(`approvals.${each}`)}
        </Button>
      ))}
      {verb && (
        <Sure
          one={one}
          verb={verb}
          onClose={() => setVerb(null)}
          onDone={() => {
            setVerb(null);
            props.onDone();
          }}
        />
      )}
    </div>
  );
}

function Sure(props: {
  one: Approval;
  verb: Verb;
  onClose: () => void;
  onDone: () => void;
}) {
  const { one, verb } = props;
  const { busy, problem, act } = useAct();
  const whole = useData<Approval>(addressOf(one.id));
  const decide = async () => {
    const path = `${addressOf(one.id)}/${verb === "approve" ? "approve" : "reject"}`;
    const done = await act(async () => void (await ask("POST", path)));
    if (done) props.onDone();
  };
  return (
    <Confirm
      title={t(`approvals.${verb}.title`, { kind: word("approvals.kind", one.kind) })}
      text={
        <>
          <span class="lead">{titleIn(one.what)}</span>
          {t("approvals.confirm.text", { name: one.asked_by })}
        </>
      }
      confirm={t(`approvals.${verb}`)}
      danger={verb !== "approve"}
      busy={busy}
      problem={problem}
      onConfirm={() => void decide()}
      onClose={props.onClose}
      wide
    >
      <div class="scroll" tabIndex={0} role="region" aria-label={t("audit.details")}>
        <Show data={whole.data} problem={whole.problem}>
          {(all) => <Details one={all} />}
        </Show>
      </div>
    </Confirm>
  );
}
