import type { Problem } from "../api/problem";
import { describe, mayPass } from "../logic/wording";
import { t } from "../strings";

export function ProblemNote({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const { text, detail } = describe(problem, t);
  return (
    <div className="problem" role="group">
      <p>{text}</p>
      {detail && <p className="dim">{detail}</p>}
      {retry && mayPass(problem) && (
        <button type="button" onClick={retry}>
          {t.queue.retry}
        </button>
      )}
    </div>
  );
}
