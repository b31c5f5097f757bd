import type { ReactNode } from "react";
import type { Verdict } from "../api/types";
import { percent } from "../logic/format";
import { meaning, type Scale, scaleOf, type Sentence } from "../logic/meaning";
import { useApp } from "../state/app";
import { locale, t } from "../strings";
import { VerdictMark } from "./icons";
import { MarksBanner } from "./MarksBanner";
import { ProbabilityScale } from "./ProbabilityScale";

const CAUTIONS = new Set<Sentence["kind"]>(["uncertain", "noFace", "unlike"]);

/** @param children go between the verdict and what it means. */
export function VerdictPanel({ verdict, children }: { verdict: Verdict; children: ReactNode }) {
  const { model } = useApp();
  const { verdict: word, marks, notes } = verdict;
  if (word === null) return null;
  const scale = scaleOf(verdict, model);
  return (
    <section className="verdict" data-standing={word}>
      <h3 className="label">{t.verdict.label}</h3>
      <p className="verdict-word">
        <VerdictMark of={word} />
        {t.words[word]}
      </p>
      {scale && (
        <>
          <p className="verdict-detail">{t.verdict.share(percent(scale.share, locale, scale.digits))}</p>
          <ProbabilityScale scale={scale} />
        </>
      )}
      <MarksBanner marks={marks} />
      {children}
      <h3 className="label">{t.meaning.heading}</h3>
      {meaning(verdict, model).map((sentence) => (
        <p key={sentence.kind} className={CAUTIONS.has(sentence.kind) ? "caution" : undefined}>
          {inWords(sentence, scale)}
        </p>
      ))}
      {notes.map((note) => (
        <p key={note} className="caution" lang="en">
          {note}
        </p>
      ))}
    </section>
  );
}

function inWords(sentence: Sentence, scale: Scale | null): string {
  const share = (value: number) => percent(value, locale, scale?.digits ?? 1);
  switch (sentence.kind) {
    case "threshold":
      return [
        t.meaning.threshold(share(sentence.threshold)),
        sentence.rates && t.meaning.rates(sentence.rates.falseAlarms, sentence.rates.found),
      ]
        .filter(Boolean)
        .join(" ");
    case "uncertain":
      return t.meaning.uncertain(share(sentence.low), share(sentence.high));
    case "likely":
      return (t.meaning.kinds as Record<string, string>)[sentence.name] ?? t.meaning.otherKind(sentence.name);
    case "severalFaces":
      return t.meaning.severalFaces(sentence.count);
    default:
      return t.meaning[sentence.kind];
  }
}
