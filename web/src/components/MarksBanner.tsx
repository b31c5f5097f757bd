import type { Mark } from "../api/types";
import { t } from "../strings";
import { Flag } from "./icons";

/** What the file says of its own making, beside the verdict and never part of it. */
export function MarksBanner({ marks }: { marks: readonly Mark[] }) {
  if (marks.length === 0) return null;
  return (
    <section className="marks" aria-label={t.marks.heading}>
      <h3>
        <Flag />
        {t.marks.heading}
      </h3>
      <ul lang="en">
        {marks.map(({ kind, text }) => (
          <li key={`${kind} ${text}`}>{text}</li>
        ))}
      </ul>
      <p className="dim">{t.marks.note}</p>
    </section>
  );
}
