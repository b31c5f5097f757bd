import { Facts } from "../components/Facts";
import { ProblemNote } from "../components/ProblemNote";
import type { Model } from "../api/types";
import { ofHundred, percent } from "../logic/format";
import { useApp } from "../state/app";
import { useLoaded } from "../state/useLoaded";
import { locale, t } from "../strings";

export function DetectorView() {
  const { client } = useApp();
  const loaded = useLoaded("model", client.model);
  return (
    <div className="detector">
      <h1 tabIndex={-1}>{t.detector.heading}</h1>
      {loaded.at === "loading" && <p className="busy">{t.loading}</p>}
      {loaded.at === "failed" && <ProblemNote problem={loaded.problem} />}
      {loaded.at === "ready" && <Card model={loaded.value} />}
    </div>
  );
}

function Card({ model }: { model: Model }) {
  const { card } = model.bundle;
  const format = (value: number) => percent(value, locale);
  const { low, high, accuracy_outside, coverage } = model.uncertain;
  return (
    <>
      <p className="lead" lang="en">
        {card.summary}
      </p>
      <div className="columns">
        <section>
          <h2>{t.detector.thresholds}</h2>
          <Thresholds model={model} />
          <p>{t.detector.uncertain(format(low), format(high), format(accuracy_outside), format(coverage))}</p>
          <p className="dim">{t.detector.thresholdsNote}</p>
        </section>
        <section>
          <h2>{t.detector.limits}</h2>
          <ul className="prose" lang="en">
            {card.limits.map((limit) => (
              <li key={limit}>{limit}</li>
            ))}
          </ul>
        </section>
        <section>
          <h2>{t.detector.sources}</h2>
          <Sources of={card.sources} />
        </section>
        <section>
          <h2>{t.detector.hashes}</h2>
          <Facts
            facts={[
              [t.summary.model, model.model],
              [t.summary.bundle, <code key="">{model.bundle_sha256}</code>],
              [t.detector.recipe, card.recipe_digest && <code key="">{card.recipe_digest}</code>],
              [t.detector.manifest, card.manifest_digest && <code key="">{card.manifest_digest}</code>],
              [t.detector.calibration, model.bundle.calibration.provenance],
            ]}
          />
        </section>
      </div>
    </>
  );
}

function Thresholds({ model }: { model: Model }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.detector.threshold}</th>
          <th scope="col">{t.detector.fakeFrom}</th>
          <th scope="col">{t.detector.budget}</th>
          <th scope="col">{t.detector.found}</th>
        </tr>
      </thead>
      <tbody>
        {model.thresholds.map(({ name, fake_probability, false_positive_budget, true_positive_rate }) => (
          <tr key={name}>
            <th scope="row">
              {name}
              {name === model.threshold_name && <span className="dim"> {t.detector.inUse}</span>}
            </th>
            <td>{percent(fake_probability, locale)}</td>
            <td>{ofHundred(false_positive_budget)}</td>
            <td>{ofHundred(true_positive_rate)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Sources({ of }: { of: Model["bundle"]["card"]["sources"] }) {
  const rows = Object.entries(of).flatMap(([label, sources]) =>
    Object.entries(sources).map(([source, count]) => ({ label, source, count })),
  );
  const labels: Record<string, string> = { real: t.detector.real, fake: t.detector.fake };
  const number = new Intl.NumberFormat(locale);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.detector.source}</th>
          <th scope="col">{t.detector.label}</th>
          <th scope="col">{t.detector.images}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ label, source, count }) => (
          <tr key={`${label} ${source}`}>
            <th scope="row">{source}</th>
            <td className="left">{labels[label] ?? label}</td>
            <td>{number.format(count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
