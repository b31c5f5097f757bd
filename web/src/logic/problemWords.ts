/** Problems in words. */

import type { Problem } from "../api/problem";
import type { Strings } from "../strings/en";

export interface Words {
  text: string;
  /** The service's own message, if it says more than ours. */
  detail: string;
}

/** Whether another try may help; not if the error is in the file. */
export function mayRetry({ status }: Pick<Problem, "status">): boolean {
  return status === 0 || status === 401 || status === 408 || status === 429 || status >= 500;
}

export function describe(problem: Pick<Problem, "status" | "code" | "detail" | "retryAfter">, t: Strings): Words {
  const { problems } = t;
  if (problem.status === 0 && problem.code === "offline") return { text: problems.offline, detail: "" };
  const codes: Record<string, string> = problems.codes;
  const statuses: Record<number, string> = problems.statuses;
  const known = codes[problem.code];
  const text = known ?? statuses[problem.status] ?? problems.unknown;
  const wait = problem.retryAfter === null ? "" : ` ${problems.retry(problem.retryAfter)}`;
  return { text: text + wait, detail: known === undefined ? problem.detail : "" };
}
