import { useState } from "react";
import type { ForensicView } from "../api/types";
import type { Explained } from "../state/useExplanation";
import { t } from "../strings";
import { Dialog } from "./Dialog";
import { RangeBar } from "./RangeBar";
import { WithExplanation } from "./WithExplanation";

export function ViewsPanel({ explained }: { explained: Explained }) {
  return (
    <WithExplanation of={explained}>
      {({ forensics }) =>
        forensics === null || forensics.length === 0 ? (
          <p className="dim">{t.explanation.noViews}</p>
        ) : (
          <>
            <p className="dim">
              {t.explanation.viewsNote} {referenceWords(forensics)}
            </p>
            <div className="views">
              {forensics.map((view) => (
                <View key={view.name} view={view} />
              ))}
            </div>
          </>
        )
      }
    </WithExplanation>
  );
}

/** Which photographs the ranges are from: the same for all views of an image. */
function referenceWords(views: readonly ForensicView[]): string {
  const ranged = views.flatMap(({ figures }) => figures).find(({ low }) => low !== null);
  return ranged?.reference ? t.explanation.references(ranged.n, ranged.reference) : t.explanation.noReferences;
}

function View({ view }: { view: ForensicView }) {
  const [large, setLarge] = useState(false);
  const close = () => {
    setLarge(false);
  };
  return (
    <section className="view" lang="en">
      <h3>{view.title}</h3>
      {view.picture && (
        <button
          type="button"
          className="view-image"
          aria-label={t.explanation.open(view.title)}
          onClick={() => {
            setLarge(true);
          }}
        >
          <img src={view.picture} alt="" />
        </button>
      )}
      <p>
        <strong>{t.explanation.lookFor}</strong> {view.look_for}
      </p>
      <p className="dim">
        <strong>{t.explanation.cannotShow}</strong> {view.cannot_show}
      </p>
      <dl className="ranges">
        {view.figures.map((figure) => (
          <RangeBar key={figure.name} of={figure} />
        ))}
      </dl>
      {large && view.picture && (
        <Dialog heading={view.title} close={close}>
          <img className="enlarged" src={view.picture} alt={view.look_for} />
          <p className="actions">
            <button type="button" onClick={close}>
              {t.explanation.close}
            </button>
          </p>
        </Dialog>
      )}
    </section>
  );
}
