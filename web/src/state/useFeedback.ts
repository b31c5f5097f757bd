import { useApp } from "./app";
import type { Item } from "./queue";
import { useAttempt } from "./useAttempt";
import type { Answer } from "../api/types";
import { t } from "../strings";

/** Gives feedback on an image of the queue by a key, and says what came of it; an earlier note stays. */
export function useFeedback(answered: (key: number, answer: Answer) => void) {
  const { client, announce } = useApp();
  const { attempt } = useAttempt();
  return async ({ key, name, stage }: Item, verdict: Answer["verdict"]): Promise<void> => {
    if (stage.at !== "done" || stage.judged.id === null) {
      announce(t.keys.noFeedback(name));
      return;
    }
    const { id } = stage.judged;
    const answer = { verdict, note: stage.answer?.note ?? "" };
    const worked = await attempt(() => client.giveFeedback(id, answer));
    if (worked) answered(key, answer);
    announce(worked ? t.keys.feedback(name, t.feedback[verdict]) : t.keys.notSaved(name));
  };
}
