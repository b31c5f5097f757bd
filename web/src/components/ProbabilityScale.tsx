import type { Model } from "../api/types";
import { percent } from "../logic/format";
import { locale, t } from "../strings";

const at = (share: number) => `${100 * share}%`;

/** The probability on a scale from real to fake, with the threshold and the uncertain band. */
export function ProbabilityScale({ share, model }: { share: number; model: Model | null }) {
  const cut = model && t.verdict.scaleCut(percent(model.threshold, locale));
  const spoken = t.verdict.scaleSpoken(percent(share, locale, 1));
  return (
    <div className="scale" role="img" aria-label={cut ? `${spoken} ${cut}.` : spoken}>
      <div className="scale-track">
        {model && (
          <>
            <span
              className="scale-band"
              style={{ left: at(model.uncertain.low), width: at(model.uncertain.high - model.uncertain.low) }}
            />
            <span className="scale-cut" style={{ left: at(model.threshold) }} />
          </>
        )}
        <span className="scale-here" style={{ left: at(share) }} />
      </div>
      <div className="scale-words">
        <span>{t.verdict.scaleReal}</span>
        <span>{t.verdict.scaleFake}</span>
      </div>
      {cut && (
        <div className="scale-key">
          <span className="key-cut">{cut}</span>
          <span className="key-band">{t.verdict.scaleBand}</span>
        </div>
      )}
    </div>
  );
}
