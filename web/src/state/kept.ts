/** Which part of the queue is kept in the browser over a reload, and in what form. */

import { Problem } from "../api/problem";
import type { Answer, Judged } from "../api/types";
import type { Item, Stage } from "./queue";

/** The most that is kept. */
export const LIMITS = { images: 200, bytes: 256 * 2 ** 20 };

/** The part of a stage that outlasts the page: an interrupted image waits again. */
export type KeptStage =
  | { at: "waiting" }
  | { at: "done"; judged: Judged; answer: Answer | null }
  | { at: "failed"; status: number; code: string; detail: string };

export function keptStage(stage: Stage): KeptStage {
  switch (stage.at) {
    case "done":
      return { at: "done", judged: stage.judged, answer: stage.answer };
    case "failed": {
      const { status, code, detail } = stage.problem;
      return { at: "failed", status, code, detail };
    }
    default:
      return { at: "waiting" };
  }
}

export function revived(stage: KeptStage): Stage {
  switch (stage.at) {
    case "done":
      return { at: "done", judged: stage.judged, answer: stage.answer };
    case "failed":
      return { at: "failed", problem: new Problem(stage.status, stage.code, stage.detail) };
    case "waiting":
      return { at: "waiting", notBefore: 0, tries: 0 };
  }
}

/** Changes when a stage has to be written again; not while an image is being sent. */
export function versionOf(stage: Stage): unknown {
  return stage.at === "done" ? (stage.answer ?? stage.judged) : stage.at === "failed" ? stage.problem : "waiting";
}

/** The images that fit within the limits, in the order in which they were added. */
export function within(items: readonly Item[], { images, bytes } = LIMITS): Item[] {
  let [number, size] = [0, 0];
  return items.filter((item) => {
    const fits = number < images && size + sizeOf(item) <= bytes;
    if (fits) [number, size] = [number + 1, size + sizeOf(item)];
    return fits;
  });
}

/** Of the file and the evidence; the rest of a result is small. */
function sizeOf({ file, stage }: Item): number {
  const evidence = stage.at === "done" ? (stage.judged.evidence ?? []) : [];
  return evidence.reduce((sum, { png }) => sum + png.length, file.size);
}
