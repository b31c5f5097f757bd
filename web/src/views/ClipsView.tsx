import { useCallback, useRef } from "react";
import { flushSync } from "react-dom";
import { AddClips } from "../components/AddClips";
import { ClipEntries } from "../components/ClipEntries";
import { ClipOutcome } from "../components/ClipOutcome";
import { ProblemNote } from "../components/ProblemNote";
import { isClip } from "../logic/clips";
import { useApp } from "../state/app";
import type { ClipControl } from "../state/useClips";
import { useImageDrop } from "../state/useImageDrop";
import { t } from "../strings";

export function ClipsView({ shown, clips }: { shown: boolean; clips: ClipControl }) {
  const { announce, model } = useApp();
  const accepted = model?.limits.clips !== null;
  const { add } = clips;
  const addOrAnnounce = useCallback(
    (files: readonly File[]) => {
      const found = files.filter(isClip);
      if (found.length > 0) add(found);
      else announce(t.clips.none);
    },
    [add, announce],
  );
  const over = useImageDrop(shown && accepted, addOrAnnounce);
  const heading = useRef<HTMLHeadingElement>(null);
  const { entries, chosen } = clips.list;
  const entry = entries.find(({ key }) => key === chosen);
  const empty = entries.length === 0;

  if (!accepted) {
    return (
      <div className="check-view" hidden={!shown} data-empty={true}>
        <h1 tabIndex={-1}>{t.title.clips}</h1>
        <p className="lead">{t.clips.off}</p>
      </div>
    );
  }
  return (
    <div className="check-view" hidden={!shown} data-empty={empty}>
      <div className={empty ? "intro" : "unseen"}>
        <h1 tabIndex={-1}>{empty ? t.clips.question : t.title.clips}</h1>
        {empty && <p className="lead">{t.clips.lead}</p>}
      </div>
      <div className="check-side">
        <AddClips first={empty} over={over} add={addOrAnnounce} />
        {clips.problem && <ProblemNote problem={clips.problem} />}
        {!empty && (
          <ClipEntries
            clips={clips}
            open={(key) => {
              flushSync(() => {
                clips.choose(key);
              });
              heading.current?.focus();
            }}
          />
        )}
      </div>
      {entry && (
        <article className="sheet" aria-labelledby="clip-name">
          <h2 id="clip-name" ref={heading} tabIndex={-1}>
            {entry.name || t.clips.unnamed}
          </h2>
          <ClipOutcome key={entry.key} entry={entry} clips={clips} />
        </article>
      )}
    </div>
  );
}
