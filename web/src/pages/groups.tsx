// Groups of devices: names for searches. A click searches; a search gets a name here.
import { useState } from "preact/hooks";
import { ask, part } from "../api";
import { type Loaded, useAct } from "../data";
import { count } from "../format";
import { t } from "../i18n";
import { link } from "../route";
import type { GroupsPage } from "../types";
import { Button, Field, ProblemNotice } from "../ui/parts";

// As the hub writes it: in the order of the tags.
function inOrder(query: string): string {
  return query
    .split(",")
    .map((one) => one.trim())
    .sort()
    .join(",");
}

export function Groups(props: { groups: Loaded<GroupsPage>; query: string }) {
  const { query } = props;
  const groups = props.groups.data?.groups ?? [];
  const [name, setName] = useState("");
  const { busy, problem, act } = useAct();
  const change = (what: () => Promise<unknown>) =>
    act(async () => {
      await what();
      setName("");
      props.groups.again();
    });
  const shown = groups.find((one) => one.query === inOrder(query));
  if (groups.length === 0 && query === "" && !props.groups.problem) return null;
  return (
    <section class="groups" aria-label={t("groups.title")}>
      {props.groups.problem && <ProblemNotice problem={props.groups.problem} />}
      {groups.length > 0 && (
        <ul class="row">
          {groups.map((one) => (
            <li key={one.name}>
              <a
                class="button quiet"
                href={link(["devices"], { query: one.query })}
                title={one.query}
                aria-current={one === shown ? "true" : undefined}
              >
                {one.name} <span class="quiet">{count(one.devices)}</span>
              </a>
            </li>
          ))}
        </ul>
      )}
      {shown ? (
        <Button
          needs="operator"
          disabled={busy}
          onClick={() => void change(() => ask("POST", `/v1/groups/${part(shown.name)}/remove`))}
        >
          {t("groups.remove", { name: shown.name })}
        </Button>
      ) : (
        query !== "" && (
          <form
            class="row"
            onSubmit={(event) => {
              event.preventDefault();
              void change(() => ask("PUT", `/v1/groups/${part(name.trim())}`, { query }));
            }}
          >
            <Field label={t("groups.name")}>
              {(ids) => (
                <input
                  {...ids}
                  value={name}
                  required
                  onInput={(event) => setName(event.currentTarget.value)}
                  spellcheck={false}
                  autocomplete="off"
                />
              )}
            </Field>
            <Button type="submit" needs="operator" disabled={busy}>
              {t("groups.save")}
            </Button>
          </form>
        )
      )}
      {problem && <ProblemNotice problem={problem} />}
    </section>
  );
}
