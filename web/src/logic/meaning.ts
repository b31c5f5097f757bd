/** Which sentences explain a verdict, and with which numbers. The text is in `strings/`. */

import type { Model, Verdict } from "../api/types";
import { ofHundred } from "./format";

export type Sentence =
  | { kind: "chance"; share: number }
  | { kind: "threshold"; cut: number; rates: { falseAlarms: number; found: number } | null }
  | { kind: "uncertain"; low: number; high: number }
  | { kind: "noFace" }
  | { kind: "unlike" }
  | { kind: "severalFaces"; count: number };

export type Standing = "FAKE" | "REAL" | "UNCERTAIN";

/** The displayed verdict: uncertain, whichever side it leans to, or the result. */
export function standing(verdict: Pick<Verdict, "result" | "uncertain">): Standing | null {
  return verdict.result && (verdict.uncertain ? "UNCERTAIN" : verdict.result);
}

/** The probability of the class in `result`, in [0, 1]. */
export function confidence(verdict: Pick<Verdict, "result" | "fake_probability">): number {
  const share = verdict.fake_probability ?? 0;
  return verdict.result === "FAKE" ? share : 1 - share;
}

export function meaning(verdict: Verdict, model: Model | null): Sentence[] {
  if (verdict.fake_probability === null) return [];
  const sentences: Sentence[] = [{ kind: "chance", share: verdict.fake_probability }];
  if (model) {
    // Only the bundle's own thresholds have known rates.
    const known = model.thresholds.find(({ name }) => name === model.threshold_name);
    const rates = known
      ? { falseAlarms: ofHundred(known.false_positive_budget), found: ofHundred(known.true_positive_rate) }
      : null;
    sentences.push({ kind: "threshold", cut: model.threshold, rates });
  }
  if (!verdict.face_found) sentences.push({ kind: "noFace" });
  else if (verdict.uncertain && model) {
    sentences.push({ kind: "uncertain", low: model.uncertain.low, high: model.uncertain.high });
  }
  if (verdict.out_of_distribution?.flagged) sentences.push({ kind: "unlike" });
  if (verdict.faces.length > 1) sentences.push({ kind: "severalFaces", count: verdict.faces.length });
  return sentences;
}
