import { describe } from "../logic/problemWords";
import { verdictWords } from "../logic/verdictWords";
import { locale, t } from "../strings";
import type { Item } from "./queue";

/** The announcement for an image that is done or failed; null before. */
export function settledWords({ name, stage }: Item): string | null {
  if (stage.at === "failed") return t.queue.finished(name, describe(stage.problem, t).text);
  if (stage.at !== "done") return null;
  const { word, detail } = verdictWords(stage.judged, t, locale);
  const marks = stage.judged.marks.length > 0 ? t.marks.count(stage.judged.marks.length) : "";
  return t.queue.finished(name, [word, detail, marks].filter(Boolean).join(", "));
}
