import type { Explained } from "../state/useExplanation";
import { WithExplanation } from "./WithExplanation";

export function WordsPanel({ explained }: { explained: Explained }) {
  return (
    <WithExplanation of={explained}>
      {({ sentences }) => (
        <div className="words">
          {sentences.map(({ tone, text }) => (
            <p key={text} data-tone={tone} lang="en">
              {text}
            </p>
          ))}
        </div>
      )}
    </WithExplanation>
  );
}
