import type { Verdict } from "../api/types";
import { dateTime, percent } from "../logic/format";
import { useApp } from "../state/app";
import { locale, t } from "../strings";
import { Facts } from "./Facts";

interface Props {
  verdict: Verdict;
  sha256: string | null;
  time: string | null;
}

export function SummaryPanel({ verdict, sha256, time }: Props) {
  const limits = useApp().model?.bundle.card.limits ?? [];
  return (
    <div className="columns">
      <section>
        <h3>{t.summary.faces}</h3>
        <Faces of={verdict} />
        <h3>{t.summary.details}</h3>
        <Facts
          facts={[
            [t.summary.judgedAt, time && dateTime(time, locale)],
            [t.summary.model, verdict.model],
            [t.summary.bundle, <code key="">{verdict.bundle_sha256}</code>],
            [t.summary.sha256, sha256 && <code key="">{sha256}</code>],
            [t.summary.time, t.summary.milliseconds(new Intl.NumberFormat(locale).format(Math.round(verdict.ms)))],
          ]}
        />
      </section>
      {limits.length > 0 && (
        <section>
          <h3>{t.summary.limits}</h3>
          <ul className="prose">
            {limits.map((limit) => (
              <li key={limit}>{limit}</li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Faces({ of: { faces } }: { of: Verdict }) {
  if (faces.length === 0) return <p className="dim">{t.summary.noFaces}</p>;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.summary.face}</th>
          <th scope="col">{t.summary.probability}</th>
          <th scope="col">{t.summary.place}</th>
        </tr>
      </thead>
      <tbody>
        {faces.map(({ box: [x0, y0, x1, y1], fake_probability }, place) => (
          <tr key={`${x0} ${y0}`}>
            <th scope="row">{place + 1}</th>
            <td>{percent(fake_probability, locale, 1)}</td>
            <td>
              {Math.round(x0)}, {Math.round(y0)} – {Math.round(x1)}, {Math.round(y1)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
