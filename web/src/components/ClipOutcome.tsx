import { Problem } from "../api/problem";
import type { ClipEntry } from "../state/clips";
import { isUnfinished } from "../state/clips";
import type { ClipControl } from "../state/useClips";
import { t } from "../strings";
import { ClipPlayer } from "./ClipPlayer";
import { ClipResult } from "./ClipResult";
import { ProblemNote } from "./ProblemNote";

/** The result of the chosen clip, or its state on the way there. */
export function ClipOutcome({ entry, clips }: { entry: ClipEntry; clips: ClipControl }) {
  const { stage } = entry;
  if (stage.at === "refused") {
    return (
      <ProblemNote
        problem={stage.problem}
        retry={() => {
          clips.retry(entry);
        }}
      />
    );
  }
  if (stage.at === "known" && !isUnfinished(stage.clip)) {
    const { clip } = stage;
    if (clip.state === "cancelled") return <p className="dim">{t.clips.cancelled}</p>;
    if (clip.error) return <ProblemNote problem={new Problem(422, clip.error.code, clip.error.message)} />;
    if (!clip.verdict) return <p className="busy">{t.loading}</p>;
    return (
      <ClipResult
        entry={entry}
        clip={{ ...clip, verdict: clip.verdict }}
        attach={(file) => {
          clips.attach(entry.key, file);
        }}
      />
    );
  }
  return (
    <div className="result">
      {entry.file && (
        <ClipPlayer name={entry.name} file={entry.file} verdict={null} time={0} playerRef={null} moved={ignore} />
      )}
      <div className="result-words">
        <p className="busy">{stage.at === "sending" ? t.clips.sending : t.clips[stage.clip.state]}</p>
        <p className="actions">
          <button
            type="button"
            onClick={() => {
              clips.cancel(entry);
            }}
          >
            {t.clips.cancel}
          </button>
        </p>
      </div>
    </div>
  );
}

const ignore = () => undefined;
