import { Explained, type Picture } from "./Explained";

export function WordsPanel({ picture }: { picture: Picture | null }) {
  return (
    <Explained picture={picture}>
      {({ sentences }) => (
        <div className="words">
          {sentences.map(({ rule, tone, text }) => (
            <p key={rule} data-tone={tone} lang="en">
              {text}
            </p>
          ))}
        </div>
      )}
    </Explained>
  );
}
