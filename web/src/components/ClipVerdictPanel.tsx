import type { ReactNode } from "react";
import type { ClipVerdict } from "../api/types";
import { percent } from "../logic/format";
import { scaleOfClip } from "../logic/meaning";
import { useApp } from "../state/app";
import { locale, t } from "../strings";
import { VerdictMark } from "./icons";
import { MarksBanner } from "./MarksBanner";
import { ProbabilityScale } from "./ProbabilityScale";

export function ClipVerdictPanel({ verdict }: { verdict: ClipVerdict }): ReactNode {
  const { model } = useApp();
  const { verdict: word, marks, notes, tracks, video } = verdict;
  const scale = scaleOfClip(verdict, model);
  const share = (value: number) => percent(value, locale, scale?.digits ?? 1);
  return (
    <section className="verdict" data-standing={word}>
      <h3 className="label">{t.verdict.label}</h3>
      <p className="verdict-word">
        <VerdictMark of={word} />
        {t.words[word]}
      </p>
      {scale && (
        <>
          <p className="verdict-detail">{t.verdict.share(share(scale.share))}</p>
          <ProbabilityScale scale={scale} />
        </>
      )}
      <MarksBanner marks={marks} />
      <h3 className="label">{t.meaning.heading}</h3>
      {word === "NO_FACE" && <p className="caution">{t.clips.noFace}</p>}
      {word === "REAL" && <p>{t.clips.noSign}</p>}
      {word === "UNCERTAIN" && scale?.limits && (
        <p className="caution">{t.meaning.uncertain(share(scale.limits.low), share(scale.limits.high))}</p>
      )}
      {scale?.limits && <p>{t.meaning.threshold(share(scale.limits.threshold))}</p>}
      {tracks.length > 0 && <p>{t.clips.deciding(tracks.length)}</p>}
      <p>{t.clips.frameByFrame(verdict.frames_judged)}</p>
      {word !== "NO_FACE" && verdict.out_of_distribution?.flagged && <p className="caution">{t.clips.unlike}</p>}
      {[...notes, ...(video?.hints ?? [])].map((note) => (
        <p key={note} className={notes.includes(note) ? "caution" : "dim"} lang="en">
          {note}
        </p>
      ))}
    </section>
  );
}
