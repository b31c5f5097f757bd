import type { Verdict } from "../api/types";
import { percent } from "../logic/format";
import { meaning, type Sentence, standing } from "../logic/meaning";
import { verdictWords } from "../logic/verdictWords";
import { useApp } from "../state/app";
import { locale, t } from "../strings";
import { VerdictMark } from "./icons";
import { ProbabilityScale } from "./ProbabilityScale";

const CAUTIONS = new Set<Sentence["kind"]>(["uncertain", "noFace", "unlike"]);

export function VerdictPanel({ verdict }: { verdict: Verdict }) {
  const { model } = useApp();
  const answer = standing(verdict);
  const { word, detail } = verdictWords(verdict, t, locale);
  if (answer === null || verdict.fake_probability === null) return null;
  return (
    <section className="verdict" data-standing={answer}>
      <h3 className="label">{t.verdict.label}</h3>
      <p className="verdict-word">
        <VerdictMark of={answer} />
        {word}
      </p>
      <p className="verdict-detail">{detail}</p>
      <ProbabilityScale share={verdict.fake_probability} model={model} />
      <h3 className="label">{t.meaning.heading}</h3>
      {meaning(verdict, model).map((sentence) => (
        <p key={sentence.kind} className={CAUTIONS.has(sentence.kind) ? "caution" : undefined}>
          {inWords(sentence)}
        </p>
      ))}
      {verdict.notes?.map((note) => (
        <p key={note} className="caution">
          {note}
        </p>
      ))}
    </section>
  );
}

function inWords(sentence: Sentence): string {
  const share = (value: number, digits = 0) => percent(value, locale, digits);
  switch (sentence.kind) {
    case "chance":
      return t.meaning.chance(share(sentence.share, 1));
    case "threshold":
      return [
        t.meaning.threshold(share(sentence.cut)),
        sentence.rates && t.meaning.rates(sentence.rates.falseAlarms, sentence.rates.found),
      ]
        .filter(Boolean)
        .join(" ");
    case "uncertain":
      return t.meaning.uncertain(share(sentence.low), share(sentence.high));
    case "noFace":
      return t.meaning.noFace;
    case "unlike":
      return t.meaning.unlike;
    case "severalFaces":
      return t.meaning.severalFaces(sentence.count);
  }
}
