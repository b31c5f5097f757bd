import { useId, useState } from "react";
import type { Answer } from "../api/types";
import { useApp } from "../state/app";
import { useAttempt } from "../state/useAttempt";
import { t } from "../strings";
import { ProblemNote } from "./ProblemNote";

const verdicts = ["right", "wrong", "unsure"] as const;

interface Props {
  /** Identifier of the record. */
  id: string;
  given: Answer | null;
  saved?: ((answer: Answer) => void) | undefined;
  /** Stores the feedback; by default on the record of an image. */
  give?: (answer: Answer) => Promise<unknown>;
}

export function FeedbackForm({ id, given, saved, give }: Props) {
  const { client, announce } = useApp();
  const { problem, attempt } = useAttempt();
  const name = useId();
  const [verdict, setVerdict] = useState(given?.verdict ?? null);
  const [note, setNote] = useState(given?.note ?? "");
  const [state, setState] = useState<"open" | "saving" | "saved">("open");
  const [shown, setShown] = useState(given);
  if (given !== shown) {
    // Given elsewhere meanwhile, by a key.
    setShown(given);
    setVerdict(given?.verdict ?? null);
    setNote(given?.note ?? "");
    setState(given ? "saved" : "open");
  }

  const save = async () => {
    if (verdict === null) return;
    setState("saving");
    const worked = await attempt(async () => {
      await (give ?? ((answer: Answer) => client.giveFeedback(id, answer)))({ verdict, note });
      saved?.({ verdict, note });
      announce(t.feedback.saved);
    });
    setState(worked ? "saved" : "open");
  };

  return (
    <form
      className="feedback"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <fieldset>
        <legend>{t.feedback.heading}</legend>
        <div className="choices">
          {verdicts.map((value) => (
            <label key={value}>
              <input
                type="radio"
                name={name}
                required
                checked={verdict === value}
                onChange={() => {
                  setVerdict(value);
                  setState("open");
                }}
              />
              <span>{t.feedback[value]}</span>
            </label>
          ))}
        </div>
      </fieldset>
      {verdict !== null && (
        <>
          <label className="field">
            {t.feedback.note}
            <textarea
              rows={2}
              maxLength={2000}
              placeholder={t.feedback.noteHint}
              value={note}
              onChange={(event) => {
                setNote(event.target.value);
                setState("open");
              }}
            />
          </label>
          <p className="actions">
            <button type="submit" className="primary" disabled={state === "saving"}>
              {t.feedback.save}
            </button>
            {state === "saved" && <span className="done">{t.feedback.saved}</span>}
          </p>
        </>
      )}
      {problem && <ProblemNote problem={problem} />}
    </form>
  );
}
