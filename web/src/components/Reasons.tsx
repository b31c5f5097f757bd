import type { Explained } from "../state/useExplanation";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

/** The service's reasons for a verdict, three at most; nothing if the image cannot be explained. */
export function Reasons({ explained: { at, explanation, problem, want } }: { explained: Explained }) {
  // Marks have a banner of their own.
  const reasons = explanation?.reasons.filter(({ rule }) => rule !== "marks");
  if (at === "none" || reasons?.length === 0) return null;
  return (
    <>
      <h3 className="label">{t.explanation.reasons}</h3>
      {problem && <ProblemNote problem={problem} retry={want} />}
      {reasons === undefined && !problem && <p className="busy">{t.explanation.loading}</p>}
      {reasons && (
        <ul className="prose" lang="en">
          {reasons.map(({ text }) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
    </>
  );
}
