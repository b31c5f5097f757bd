import { Explained, type ImageFile } from "./Explained";

export function WordsPanel({ image }: { image: ImageFile | null }) {
  return (
    <Explained image={image}>
      {({ sentences }) => (
        <div className="words">
          {sentences.map(({ tone, text }) => (
            <p key={text} data-tone={tone} lang="en">
              {text}
            </p>
          ))}
        </div>
      )}
    </Explained>
  );
}
