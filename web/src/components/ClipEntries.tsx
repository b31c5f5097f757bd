import { useRef } from "react";
import { wholePercent } from "../logic/format";
import { verdictWords } from "../logic/verdictWords";
import { type ClipEntry, isUnfinished } from "../state/clips";
import type { ClipControl } from "../state/useClips";
import { locale, t } from "../strings";
import { Cross, VerdictMark } from "./icons";

/** The clips of this page and of the service, each with its progress. */
export function ClipEntries({ clips, open }: { clips: ClipControl; open: (key: string) => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { entries, chosen } = clips.list;
  return (
    <section className="queue clip-list">
      <div className="queue-head">
        <h2 ref={heading} tabIndex={-1}>
          {t.clips.heading}
        </h2>
      </div>
      <ol>
        {entries.map((entry) => (
          <li key={entry.key} data-chosen={entry.key === chosen}>
            <button
              type="button"
              className="entry"
              aria-current={entry.key === chosen}
              onClick={() => {
                open(entry.key);
              }}
            >
              <span className="entry-words">
                <span className="entry-name">{entry.name || t.clips.unnamed}</span>
                <StageWords of={entry} />
              </span>
            </button>
            <button
              type="button"
              className="quiet icon"
              aria-label={removable(entry) ? t.queue.remove(entry.name) : t.clips.cancelOf(entry.name)}
              onClick={() => {
                if (removable(entry)) clips.remove(entry);
                else clips.cancel(entry);
                // The button that had the focus may be gone.
                heading.current?.focus();
              }}
            >
              <Cross />
            </button>
            <Progress of={entry} />
          </li>
        ))}
      </ol>
      {clips.more && (
        <div className="queue-foot">
          <button type="button" onClick={clips.loadMore}>
            {t.history.more}
          </button>
        </div>
      )}
    </section>
  );
}

function removable({ stage }: ClipEntry): boolean {
  return stage.at === "refused" || (stage.at === "known" && !isUnfinished(stage.clip));
}

function StageWords({ of: { stage } }: { of: ClipEntry }) {
  if (stage.at === "sending") {
    return (
      <span className="dim">
        {stage.share < 1 ? t.queue.sending(wholePercent(stage.share, locale)) : t.clips.reading}
      </span>
    );
  }
  if (stage.at === "refused") return <span className="failed">{t.queue.failed}</span>;
  const { clip } = stage;
  if (clip.state === "done" && clip.word) {
    const { word, detail } = verdictWords({ verdict: clip.word, fake_probability: clip.fake_probability }, t, locale);
    return (
      <>
        <span className="badge" data-standing={clip.word}>
          <VerdictMark of={clip.word} />
          {word}
        </span>
        <span className="entry-share">{detail}</span>
      </>
    );
  }
  if (clip.state === "waiting" && clip.position) return <span className="dim">{t.clips.behind(clip.position)}</span>;
  if (clip.state === "running" && clip.progress && clip.progress.total > 0) {
    return <span className="dim">{t.clips.frameOf(clip.progress.judged, clip.progress.total)}</span>;
  }
  return <span className={clip.state === "failed" ? "failed" : "dim"}>{t.clips[clip.state]}</span>;
}

function Progress({ of: { name, stage } }: { of: ClipEntry }) {
  if (removable({ stage } as ClipEntry)) return null;
  const running = stage.at === "known" ? stage.clip.progress : null;
  const share =
    stage.at === "sending" ? stage.share : running && running.total > 0 ? running.judged / running.total : 1;
  return (
    <progress
      aria-label={t.queue.progress(name)}
      // Without a value it is indeterminate.
      value={share < 1 ? share : undefined}
    />
  );
}
