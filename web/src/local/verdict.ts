/** From logits to a verdict, as `unmask.bundle.schema` and `unmask.detect.verdict`. */

import type { Word } from "../logic/meaning";
import type { BundleInfo, Calibration } from "./bundle";
import { type Face, sideOf } from "./faces";
import type { Box } from "./resample";

/** What the network said of one region. */
export interface Region {
  crop: Box;
  face: Face | null;
  logit: number;
  probability: number;
  /** Calibrated evidence in rows of `width`. */
  evidence: { cells: Float32Array; width: number; height: number };
  distance: number | null;
  kinds: Record<string, number> | null;
}

export function logOdds(probability: number): number {
  if (probability <= 0) return -Infinity;
  return probability >= 1 ? Infinity : Math.log(probability) - Math.log1p(-probability);
}

export const logistic = (odds: number) =>
  odds >= 0 ? 1 / (1 + Math.exp(-odds)) : Math.exp(odds) / (1 + Math.exp(odds));

export function oddsOf({ slope, bias, points, prior }: Calibration, logit: number): number {
  const even = points.length > 0 ? logOdds(interpolate(points, logit)) : slope * logit + bias;
  return even + logOdds(prior);
}

function interpolate(points: Calibration["points"], logit: number): number {
  const after = points.findIndex(([at]) => at > logit);
  const end = after < 0 ? points.at(-1) : points[after];
  const start = after > 0 ? points[after - 1] : end;
  if (start === undefined || end === undefined) throw new Error("a calibration without points");
  if (after <= 0) return end[1];
  return start[1] + ((end[1] - start[1]) * (logit - start[0])) / (end[0] - start[0]);
}

/** Evidence whose mean is the logit, as evidence whose mean is the log odds of the probability. */
export function calibratedEvidence(calibration: Calibration, cells: Float32Array, logit: number): Float32Array {
  const { slope, bias, points, prior } = calibration;
  const added = points.length > 0 ? oddsOf(calibration, logit) - logit : bias + logOdds(prior);
  const factor = points.length > 0 ? 1 : slope;
  return cells.map((cell) => factor * cell + added);
}

/** The region whose probability is the image's: the main face with the highest one. */
export function decidingRegion(regions: readonly Region[], mainFace: number): Region {
  const sides = regions.map(({ face }) => (face ? sideOf(face.box) : Infinity));
  const largest = Math.max(0, ...sides.filter(Number.isFinite));
  const main = regions.filter((_, place) => (sides[place] ?? 0) >= mainFace * largest);
  return main.reduce((best, region) => (region.probability > best.probability ? region : best));
}

export interface Judgement {
  verdict: Word;
  result: "FAKE" | "REAL";
  probability: number;
  deciding: Region;
  doubts: string[];
}

export function judge(info: BundleInfo, threshold: number, regions: readonly Region[]): Judgement {
  const deciding = decidingRegion(regions, info.main_face);
  const { probability, face } = deciding;
  const result = probability >= threshold ? "FAKE" : "REAL";
  const noFace = info.preprocessing.faces !== null && regions[0]?.face === null;
  const { low, high } = info.uncertain;
  const word = noFace ? "NO_FACE" : probability >= low && probability <= high ? "UNCERTAIN" : result;
  const smallest = info.abstention?.smallest_face ?? null;
  const doubts =
    word === result && face !== null && smallest !== null && sideOf(face.box) < smallest
      ? [
          "The verdict is uncertain because the face is small: its side has " +
            `${sideOf(face.box).toFixed(0)} pixels, and fewer than ${smallest.toFixed(0)} are too few.`,
        ]
      : [];
  return { verdict: doubts.length > 0 ? "UNCERTAIN" : word, result, probability, deciding, doubts };
}
