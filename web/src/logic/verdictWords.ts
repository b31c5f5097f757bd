/** A verdict as one word and a short detail. */

import type { Verdict } from "../api/types";
import type { Strings } from "../strings/en";
import { percent } from "./format";
import { confidence, standing } from "./meaning";

export function verdictWords(
  verdict: Pick<Verdict, "result" | "uncertain" | "fake_probability">,
  t: Strings,
  locale: string,
): { word: string; detail: string } {
  const answer = standing(verdict);
  if (answer === null || verdict.result === null) return { word: t.verdict.failed, detail: "" };
  const share = percent(confidence(verdict), locale, 1);
  const detail = answer === "UNCERTAIN" ? t.verdict.leans[verdict.result](share) : t.verdict.confidence(share);
  return { word: t.verdict[answer], detail };
}
