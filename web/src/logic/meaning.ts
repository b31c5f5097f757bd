/** Which sentences say what a verdict means, and with which figures. The words are in `strings/`. */

import type { Model, Verdict } from "../api/types";
import { ofHundred } from "./format";

export type Sentence =
  | { kind: "chance"; share: number }
  | { kind: "threshold"; cut: number }
  | { kind: "rates"; falseAlarms: number; found: number }
  | { kind: "uncertain"; low: number; high: number }
  | { kind: "noFace" }
  | { kind: "severalFaces"; count: number };

export type Standing = "FAKE" | "REAL" | "UNCERTAIN";

/** What is shown as the answer: an uncertain verdict is shown as that, whatever side it leans to. */
export function standing(verdict: Pick<Verdict, "result" | "uncertain">): Standing | null {
  return verdict.result && (verdict.uncertain ? "UNCERTAIN" : verdict.result);
}

/** The share that stands behind `result`, in [0, 1]. */
export function confidence(verdict: Pick<Verdict, "result" | "fake_probability">): number {
  const share = verdict.fake_probability ?? 0;
  return verdict.result === "FAKE" ? share : 1 - share;
}

export function meaning(verdict: Verdict, model: Model | null): Sentence[] {
  if (verdict.fake_probability === null) return [];
  const sentences: Sentence[] = [{ kind: "chance", share: verdict.fake_probability }];
  if (model) sentences.push({ kind: "threshold", cut: model.threshold });
  // A threshold that is none of the bundle's has no known rates.
  const known = model?.thresholds.find(({ name }) => name === model.threshold_name);
  if (known) {
    const { false_positive_budget: budget, true_positive_rate: rate } = known;
    sentences.push({ kind: "rates", falseAlarms: ofHundred(budget), found: ofHundred(rate) });
  }
  if (!verdict.face_found) sentences.push({ kind: "noFace" });
  else if (verdict.uncertain && model) {
    sentences.push({ kind: "uncertain", low: model.uncertain.low, high: model.uncertain.high });
  }
  if (verdict.faces.length > 1) sentences.push({ kind: "severalFaces", count: verdict.faces.length });
  return sentences;
}
