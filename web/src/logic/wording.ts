/** Faults in human words. */

import type { Problem } from "../api/problem";
import type { Strings } from "../strings/en";

export interface Words {
  text: string;
  /** The service's own sentence, where it says more than ours. */
  detail: string;
}

/** Whether asking again may help: not where the fault is in the file. */
export function mayPass({ status }: Pick<Problem, "status">): boolean {
  return status === 0 || status === 401 || status === 408 || status === 429 || status >= 500;
}

export function describe(problem: Pick<Problem, "status" | "code" | "detail" | "retryAfter">, t: Strings): Words {
  const { problems } = t;
  if (problem.status === 0 && problem.code === "offline") return { text: problems.offline, detail: "" };
  const known = problems.codes[problem.code];
  const text = known ?? problems.statuses[problem.status] ?? problems.unknown;
  const wait = problem.retryAfter === null ? "" : ` ${problems.retry(problem.retryAfter)}`;
  return { text: text + wait, detail: known === undefined ? problem.detail : "" };
}
