import type { Credentials, Metadata, Verdict } from "../api/types";
import type { Explained } from "../state/useExplanation";
import { t } from "../strings";
import { Facts, Items } from "./Facts";
import { WithExplanation } from "./WithExplanation";

interface Props {
  provenance: Verdict["provenance"];
  /** Null where nothing can be explained. */
  explained: Explained | null;
}

export function OriginPanel({ provenance, explained }: Props) {
  return (
    <>
      <p className="dim">{t.origin.note}</p>
      {provenance && (
        <Facts
          facts={[
            // The explanation says more about these.
            [
              t.origin.credentials,
              (explained === null || explained.at === "none") &&
                provenance.credentials_state &&
                t.origin.states[provenance.credentials_state],
            ],
            [t.origin.generators, provenance.generator_tags.join(", ") || t.origin.noGenerators],
          ]}
        />
      )}
      {explained && (
        <WithExplanation of={explained}>
          {({ metadata, credentials }) => (
            <div className="columns">
              <section>
                <h3>{t.origin.metadata}</h3>
                {metadata ? <MetadataFacts of={metadata} /> : <p className="dim">{t.origin.noMetadata}</p>}
              </section>
              {credentials && (
                <section>
                  <h3>{t.origin.credentials}</h3>
                  <CredentialFacts of={credentials} />
                </section>
              )}
            </div>
          )}
        </WithExplanation>
      )}
    </>
  );
}

function MetadataFacts({ of }: { of: Metadata }) {
  return (
    <Facts
      facts={[
        [t.origin.format, of.format],
        [t.origin.camera, of.camera],
        [t.origin.lens, of.lens],
        [t.origin.software, of.software],
        [t.origin.taken, of.taken],
        [t.origin.modified, of.modified],
        [t.origin.sourceType, of.digital_source_type],
        [t.origin.derived, of.derived && t.yes],
        [t.origin.position, of.has_position && <span className="caution">{t.origin.hasPosition}</span>],
        [t.origin.thumbnail, of.thumbnail && <Thumbnail differs={of.thumbnail.differs} />],
        [t.origin.edits, of.edits.length > 0 && <Items of={of.edits.map(step)} />],
        [t.origin.iptc, isFull(of.iptc) && <Facts facts={Object.entries(of.iptc).map(titled)} />],
        [t.origin.texts, isFull(of.texts) && <Facts facts={Object.entries(of.texts)} />],
        [t.origin.unreadable, of.problems.length > 0 && <Items of={of.problems} />],
      ]}
    />
  );
}

function CredentialFacts({ of }: { of: Credentials }) {
  return (
    <>
      <p lang="en">{of.note}</p>
      <Facts
        facts={[
          [t.origin.state, t.origin.states[of.state]],
          [t.origin.advice, of.advice && <span lang="en">{of.advice}</span>],
          [t.origin.titled, of.title],
          [t.origin.claimedBy, of.generator],
          [t.origin.signer, of.signer],
          [t.origin.signedAt, of.signed_at],
          [t.origin.steps, of.actions.length > 0 && <Items of={of.actions.map(step)} />],
          [t.origin.ingredients, of.ingredients > 0 && of.ingredients],
          [t.origin.failed, of.problems.length > 0 && <Items of={of.problems} />],
        ]}
      />
    </>
  );
}

function Thumbnail({ differs }: { differs: boolean }) {
  return differs ? <span className="caution">{t.origin.otherThumbnail}</span> : t.origin.sameThumbnail;
}

/** `by_line` as `by line`. */
const titled = ([name, text]: [string, string]) => [name.replaceAll("_", " "), text] as const;

const isFull = (fields: object) => Object.keys(fields).length > 0;

const step = (fields: Record<string, string | null>) => Object.values(fields).filter(Boolean).join(" · ");
