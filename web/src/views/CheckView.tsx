import { useCallback, useEffect, useRef } from "react";
import { flushSync } from "react-dom";
import type { Answer } from "../api/types";
import { AddImages } from "../components/AddImages";
import { FileImage } from "../components/FileImage";
import { ProblemNote } from "../components/ProblemNote";
import { QueueList, settledWords } from "../components/QueueList";
import { Result } from "../components/Result";
import { useApp } from "../state/app";
import type { Item } from "../state/queue";
import { useImageDrop } from "../state/useImageDrop";
import { useQueue } from "../state/useQueue";
import { t } from "../strings";

export function CheckView({ shown }: { shown: boolean }) {
  const { announce } = useApp();
  const { queue, add, choose, answer, retry, remove } = useQueue();
  const addOrAnnounce = useCallback(
    (files: readonly File[]) => {
      if (files.length > 0) add(files);
      else announce(t.add.none);
    },
    [add, announce],
  );
  const over = useImageDrop(shown, addOrAnnounce);
  useAnnounced(queue.items);
  const heading = useRef<HTMLHeadingElement>(null);
  const empty = queue.items.length === 0;
  const chosen = queue.items.find(({ key }) => key === queue.chosen);

  return (
    <div className="check-view" hidden={!shown} data-empty={empty}>
      <div className={empty ? "intro" : "unseen"}>
        <h1 tabIndex={-1}>{empty ? t.add.heading : t.title.check}</h1>
        {empty && <p className="lead">{t.add.lead}</p>}
      </div>
      <div className="check-side">
        <AddImages first={empty} over={over} add={addOrAnnounce} />
        {!empty && (
          <QueueList
            queue={queue}
            remove={remove}
            choose={(key) => {
              flushSync(() => {
                choose(key);
              });
              heading.current?.focus();
            }}
          />
        )}
      </div>
      {chosen && (
        <article className="sheet" aria-labelledby="image-name">
          <h2 id="image-name" ref={heading} tabIndex={-1}>
            {chosen.name}
          </h2>
          <Outcome key={chosen.key} item={chosen} answer={answer} retry={retry} />
        </article>
      )}
    </div>
  );
}

interface OutcomeProps {
  item: Item;
  answer: (key: number, answer: Answer) => void;
  retry: (key: number) => void;
}

function Outcome({ item: { key, name, file, stage }, answer, retry }: OutcomeProps) {
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

/** Announces each verdict once, when it arrives. */
function useAnnounced(items: readonly Item[]) {
  const { announce } = useApp();
  const said = useRef(new Map<number, string>());
  useEffect(() => {
    for (const item of items) {
      const words = settledWords(item);
      if (words === null) said.current.delete(item.key);
      else if (said.current.get(item.key) !== words) {
        said.current.set(item.key, words);
        announce(words);
      }
    }
  }, [items, announce]);
}
