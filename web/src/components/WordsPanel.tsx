import { WithExplanation, type ImageFile } from "./WithExplanation";

export function WordsPanel({ image }: { image: ImageFile | null }) {
  return (
    <WithExplanation image={image}>
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
