import type { Problem } from "../api/problem";
import { describe, mayRetry } from "../logic/problemWords";
import { t } from "../strings";

export function ProblemNote({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const { text, detail } = describe(problem, t);
  return (
    <div className="problem" role="group">
      <p>{text}</p>
      {detail && <p className="dim">{detail}</p>}
      {retry && mayRetry(problem) && (
        <button type="button" onClick={retry}>
          {t.queue.retry}
        </button>
      )}
    </div>
  );
}
