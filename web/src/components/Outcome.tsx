import type { Answer } from "../api/types";
import type { Item } from "../state/queue";
import { t } from "../strings";
import { FileImage } from "./FileImage";
import { ProblemNote } from "./ProblemNote";
import { Result } from "./Result";

interface Props {
  item: Item;
  answer: (key: number, answer: Answer) => void;
  retry: (key: number) => void;
}

/** The result of the chosen image, or its state on the way there. */
export function Outcome({ item: { key, name, file, stage }, answer, retry }: Props) {
  if (stage.at === "done") {
    const { judged } = stage;
    return (
      <Result
        name={name}
        verdict={judged}
        file={file}
        evidence={judged.evidence ?? null}
        id={judged.id}
        given={stage.answer}
        answered={(given) => {
          answer(key, given);
        }}
        sha256={judged.sha256 ?? null}
      />
    );
  }
  if (stage.at === "failed") {
    return (
      <ProblemNote
        problem={stage.problem}
        retry={() => {
          retry(key);
        }}
      />
    );
  }
  return (
    <div className="result">
      <figure className="image">
        <div className="frame pending">
          <FileImage file={file} alt={t.image.alt(name)} />
        </div>
      </figure>
      <p className="busy">{stage.at === "judging" ? t.queue.judging : t.queue.waiting}</p>
    </div>
  );
}
