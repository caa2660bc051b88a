// The frame around all pages: who is signed in, where one can go, how it looks.
import { useEffect, useState } from "preact/hooks";
import { t } from "./i18n";
import { link, route } from "./route";
import { ended, session, signOut } from "./session";
import { language, languages, theme, themes, type Language, type Theme } from "./settings";
import { useStore } from "./store";
import { ApprovalPage } from "./pages/approval";
import { Approvals } from "./pages/approvals";
import { Audit } from "./pages/audit";
import { DevicePage } from "./pages/device";
import { Devices } from "./pages/devices";
import { Enrolment } from "./pages/enrolment";
import { FleetPage } from "./pages/fleet";
import { ModelPage, Models } from "./pages/models";
import { NewRollout } from "./pages/new_rollout";
import { People } from "./pages/people";
import { ReleasePage, Releases } from "./pages/releases";
import { RepositoryPage } from "./pages/repository";
import { RolloutPage } from "./pages/rollout";
import { Rollouts } from "./pages/rollouts";
import { SignIn } from "./pages/sign_in";
import { Icon, Mark } from "./ui/icons";
import { Button, Page } from "./ui/parts";

const groups = [
  { title: null, pages: ["fleet"] },
  { title: "nav.group.devices", pages: ["devices", "enrolment", "rollouts"] },
  { title: "nav.group.software", pages: ["models", "releases", "approvals", "repository"] },
  { title: "nav.group.hub", pages: ["audit", "people"] },
] as const;

function current(path: string[], query: URLSearchParams) {
  const [first = "fleet", second, third] = path;
  const key = path.join("/");
  switch (first) {
    case "fleet":
      return <FleetPage />;
    case "devices":
      return second ? <DevicePage key={key} id={second} /> : <Devices query={query} />;
    case "enrolment":
      return <Enrolment query={query} />;
    case "models":
      return second ? <ModelPage key={key} name={second} /> : <Models query={query} />;
    case "releases":
      return second && third ? (
        <ReleasePage key={key} model={second} version={third} />
      ) : (
        <Releases query={query} />
      );
    case "approvals":
      return second ? <ApprovalPage key={key} id={second} /> : <Approvals query={query} />;
    case "repository":
      return <RepositoryPage />;
    case "rollouts":
      if (second === "new") return <NewRollout key={key} query={query} />;
      return second ? <RolloutPage key={key} id={second} /> : <Rollouts query={query} />;
    case "audit":
      return <Audit query={query} />;
    case "people":
      return <People query={query} />;
    default:
      return (
        <Page title={t("app.nowhere")}>
          <p>
            <a href={link(["fleet"])}>{t("app.home")}</a>
          </p>
        </Page>
      );
  }
}

export function Choices() {
  const chosenTheme = useStore(theme);
  const chosenLanguage = useStore(language);
  return (
    <div class="choices">
      <label>
        <span class="unseen">{t("app.theme")}</span>
        <select value={chosenTheme} onChange={(e) => theme.set(e.currentTarget.value as Theme)}>
          {themes.map((one) => (
            <option key={one} value={one}>
              {t(`theme.${one}`)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="unseen">{t("app.language")}</span>
        <select
          value={chosenLanguage}
          onChange={(e) => language.set(e.currentTarget.value as Language)}
        >
          {languages.map((one) => (
            <option key={one} value={one} lang={one}>
              {t(`language.${one}`)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

export function App() {
  const here = useStore(route);
  const person = useStore(session);
  const why = useStore(ended);
  const [open, setOpen] = useState(false);
  useStore(language); // every text is drawn anew
  useEffect(() => setOpen(false), [here]);

  if (!person) return <SignIn why={why} />;
  const place = here.path[0] ?? "fleet";
  return (
    <div class="frame">
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault(); // the address after '#' is that of the page
          document.getElementById("content")?.focus();
        }}
      >
        {t("app.skip")}
      </a>
      <header class="top">
        <a class="brand" href={link(["fleet"])}>
          <Mark />
          {t("app.name")}
        </a>
        <button
          type="button"
          class="button quiet menu"
          aria-expanded={open}
          aria-controls="navigation"
          onClick={() => setOpen(!open)}
        >
          <Icon name="menu" />
          {t("app.menu")}
        </button>
      </header>
      <nav id="navigation" class={open ? "side open" : "side"} aria-label={t("app.navigation")}>
        {groups.map((group) => (
          <div key={group.title ?? "first"} class="group">
            {group.title && <p class="group-title">{t(group.title)}</p>}
            <ul>
              {group.pages.map((page) => (
                <li key={page}>
                  <a href={link([page])} aria-current={place === page ? "page" : undefined}>
                    <Icon name={page} />
                    {t(`nav.${page}`)}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        ))}
        <div class="who">
          <p>
            <b>{person.name}</b>
            <span class="quiet"> {t(`role.${person.role}`)}</span>
          </p>
          <Choices />
          <div class="row">
            <Button class="small" onClick={() => signOut()}>
              {t("app.signout")}
            </Button>
            <small>
              <a class="plain" href="/licences.txt">
                {t("app.licences")}
              </a>
            </small>
          </div>
        </div>
      </nav>
      <main id="content" tabIndex={-1}>
        {current(here.path, here.query)}
      </main>
    </div>
  );
}
