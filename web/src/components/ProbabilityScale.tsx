import { percent } from "../logic/format";
import type { Scale } from "../logic/meaning";
import { locale, t } from "../strings";

const at = (share: number) => `${100 * share}%`;

/** The probability of fake on a scale from 0 to 1, with the threshold and the uncertain band if they are known. */
export function ProbabilityScale({ scale: { share, limits, digits } }: { scale: Scale }) {
  const threshold = limits && t.verdict.scaleThreshold(percent(limits.threshold, locale, digits));
  const spoken = t.verdict.scaleSpoken(percent(share, locale, digits));
  return (
    <div className="scale" role="img" aria-label={threshold ? `${spoken} ${threshold}.` : spoken}>
      <div className="scale-track">
        {limits && (
          <>
            <span
              className="scale-band"
              style={{ left: at(limits.low), width: at(Math.max(0, limits.high - limits.low)) }}
            />
            <span className="scale-threshold" style={{ left: at(limits.threshold) }} />
          </>
        )}
        <span className="scale-here" style={{ left: at(share) }} />
      </div>
      <div className="scale-words">
        <span>{t.verdict.scaleReal}</span>
        <span>{t.verdict.scaleFake}</span>
      </div>
      {threshold && (
        <div className="scale-key">
          <span className="key-threshold">{threshold}</span>
          <span className="key-band">{t.verdict.scaleBand}</span>
        </div>
      )}
    </div>
  );
}
