/** A verdict as one word and one number. */

import type { Strings } from "../strings/en";
import { percent } from "./format";
import { shareOf } from "./meaning";

export function verdictWords(
  verdict: Parameters<typeof shareOf>[0],
  t: Strings,
  locale: string,
): { word: string; detail: string } {
  const { verdict: word } = verdict;
  if (word === null) return { word: t.verdict.failed, detail: "" };
  const share = shareOf(verdict);
  return { word: t.words[word], detail: share === null ? "" : t.verdict.share(percent(share, locale, 1)) };
}
