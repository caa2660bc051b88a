// What a release's manifest says about it: its card, and where it comes from.
import { number } from "../format";
import { t, word } from "../i18n";
import type { Release } from "../types";
import { Brief, Empty, Facts, Hash, hasContent, Tree } from "../ui/parts";
import { ReleaseLink } from "./common";

// In this order; what else there is comes after.
const sections = ["summary", "intended_use", "limitations", "metrics", "training_data",
  "evaluation_data", "ethics", "contact"];

interface Metric {
  name: string;
  slice?: string;
  value: number;
}

function Metrics(props: { metrics: Metric[] }) {
  return (
    <ul>
      {props.metrics.map((one, i) => (
        <li key={i}>
          {one.name} <b>{number(one.value)}</b> <span class="quiet">{one.slice}</span>
        </li>
      ))}
    </ul>
  );
}

export function ModelCard(props: { card: Release["model_card"] }) {
  const card = props.card ?? {};
  if (!hasContent(card)) return <Empty>{t("release.card.none")}</Empty>;
  const names = [...sections, ...Object.keys(card).filter((name) => !sections.includes(name))];
  return (
    <Facts
      rows={names
        .filter((name) => hasContent(card[name]))
        .map((name) => [
          word("card", name),
          name === "metrics" ? (
            <Metrics metrics={card[name] as Metric[]} />
          ) : (
            <Tree value={card[name]} />
          ),
        ])}
    />
  );
}

interface Parts {
  parents?: { model: string; version: string; manifest: string }[];
  datasets?: { name: string; sha256: string; licence?: string }[];
  recipe?: string;
}

export function Lineage(props: { lineage: Release["lineage"] }) {
  const { parents, datasets, recipe } = (props.lineage ?? {}) as Parts;
  if (!hasContent(props.lineage)) return <Empty>{t("model.lineage.none")}</Empty>;
  const rows: Parameters<typeof Facts>[0]["rows"] = [];
  if (parents?.length)
    rows.push([
      t("lineage.parents"),
      <ul>
        {parents.map((one, i) => (
          <li key={i} class="one-line">
            <ReleaseLink model={one.model} version={one.version} /> <Hash value={one.manifest} />
          </li>
        ))}
      </ul>,
    ]);
  if (datasets?.length)
    rows.push([
      t("lineage.datasets"),
      <ul>
        {datasets.map((one, i) => (
          <li key={i} class="one-line">
            <span>{one.name}</span> <span class="quiet">{one.licence}</span>{" "}
            <Hash value={one.sha256} />
          </li>
        ))}
      </ul>,
    ]);
  if (recipe) rows.push([t("lineage.recipe"), <Hash value={recipe} />]);
  return rows.length > 0 ? <Facts rows={rows} /> : <Brief value={props.lineage} />;
}
