import { Explained, type Picture } from "./Explained";

export function WordsPanel({ picture }: { picture: Picture | null }) {
  return (
    <Explained picture={picture}>
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
