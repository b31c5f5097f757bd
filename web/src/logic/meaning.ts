/** Which sentences explain a verdict, and with which numbers. The text is in `strings/`. */

import type { ClipVerdict, Model, Verdict } from "../api/types";
import { digitsApart, ofHundred } from "./format";

export type Sentence =
  | { kind: "chance" }
  | { kind: "threshold"; threshold: number; rates: { falseAlarms: number; found: number } | null }
  | { kind: "uncertain"; low: number; high: number }
  | { kind: "noSign" }
  | { kind: "likely"; name: string }
  | { kind: "noFace" }
  | { kind: "unlike" }
  | { kind: "severalFaces"; count: number };

/** The verdict in one word. */
export type Word = NonNullable<Verdict["verdict"]>;
export const WORDS: readonly Word[] = ["FAKE", "UNCERTAIN", "REAL", "NO_FACE"];

/** The one number beside the word; null where it would mean nothing, because no face was found. */
export function shareOf({ verdict, fake_probability }: Pick<Verdict, "verdict" | "fake_probability">): number | null {
  return verdict === "NO_FACE" ? null : fake_probability;
}

/** From which the word follows. */
interface Limits {
  threshold: number;
  /** Ends of the uncertain band. */
  low: number;
  high: number;
}

/** The probability on its scale. */
export interface Scale {
  share: number;
  /** Null where they are not known. */
  limits: Limits | null;
  /** Digits after the point of a percentage, enough to show on which side of the limits the number lies. */
  digits: number;
}

/**
 * A scale never contradicts the word: limits from which another word would follow, as of another detector or after the
 * service's threshold was changed, are left out.
 */
export function scaleOf(verdict: Verdict, model: Model | null): Scale | null {
  const share = shareOf(verdict);
  if (share === null) return null;
  if (model !== null && verdict.bundle_sha256 === model.bundle_sha256) {
    const { threshold, uncertain } = model;
    return scaleWithin(share, verdict.verdict, { threshold, low: uncertain.low, high: uncertain.high });
  }
  return { share, limits: null, digits: 1 };
}

/** As {@link scaleOf}, for a clip, which names its own threshold. */
export function scaleOfClip(verdict: ClipVerdict, model: Model | null): Scale | null {
  const share = shareOf(verdict);
  if (share === null) return null;
  if (model !== null && verdict.bundle_sha256 === model.bundle_sha256) {
    const { low, high } = model.uncertain;
    return scaleWithin(share, verdict.verdict, { threshold: verdict.threshold, low, high });
  }
  return { share, limits: null, digits: 1 };
}

function scaleWithin(share: number, word: Word | null, limits: Limits): Scale {
  return wordAt(share, limits) === word
    ? { share, limits, digits: digitsApart(share, Object.values(limits)) }
    : { share, limits: null, digits: 1 };
}

/** As `unmask.detect.verdict` chooses the word. */
function wordAt(share: number, { threshold, low, high }: Limits): Word {
  if (low <= share && share <= high) return "UNCERTAIN";
  return share >= threshold ? "FAKE" : "REAL";
}

export function meaning(verdict: Verdict, model: Model | null): Sentence[] {
  const { verdict: word } = verdict;
  if (word === null) return [];
  const sentences: Sentence[] = [];
  const scale = scaleOf(verdict, model);
  if (word === "NO_FACE") sentences.push({ kind: "noFace" });
  const likely = likelyKind(verdict);
  if (likely !== null) sentences.push({ kind: "likely", name: likely });
  if (word === "REAL") sentences.push({ kind: "noSign" });
  if (scale) sentences.push({ kind: "chance" });
  if (scale?.limits && model) {
    const { threshold, low, high } = scale.limits;
    if (word === "UNCERTAIN") sentences.push({ kind: "uncertain", low, high });
    else sentences.push({ kind: "threshold", threshold, rates: ratesOf(model) });
  }
  if (word !== "NO_FACE" && verdict.out_of_distribution?.flagged) sentences.push({ kind: "unlike" });
  if (verdict.faces.length > 1) sentences.push({ kind: "severalFaces", count: verdict.faces.length });
  return sentences;
}

/** The kind of fake that is most likely, if it is more likely than not; null if the detector does not say. */
function likelyKind({ verdict, kinds }: Verdict): string | null {
  if (verdict !== "FAKE") return null;
  const [most] = Object.entries(kinds ?? {}).sort(([, first], [, second]) => second - first);
  return most !== undefined && most[1] > 0.5 ? most[0] : null;
}

/** Only the bundle's own thresholds have known rates. */
function ratesOf(model: Model) {
  const known = model.thresholds.find(({ name }) => name === model.threshold_name);
  return known
    ? { falseAlarms: ofHundred(known.false_positive_budget), found: ofHundred(known.true_positive_rate) }
    : null;
}
