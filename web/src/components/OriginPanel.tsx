import type { Verdict } from "../api/types";
import { t } from "../strings";
import { Explained, type Picture } from "./Explained";
import { Facts } from "./Facts";
import { PlainValue } from "./PlainValue";

export function OriginPanel({ provenance, picture }: { provenance: Verdict["provenance"]; picture: Picture | null }) {
  return (
    <>
      <p className="dim">{t.origin.note}</p>
      {provenance && (
        <Facts
          facts={[
            [t.origin.credentials, t.origin.c2pa[provenance.c2pa] ?? provenance.c2pa],
            [t.origin.generators, provenance.generator_tags.join(", ") || t.origin.noGenerators],
          ]}
        />
      )}
      <Explained picture={picture}>
        {({ metadata, credentials }) => (
          <div className="columns" lang="en">
            {credentials && (
              <section>
                <h3>{t.origin.credentials}</h3>
                <PlainValue value={credentials} />
              </section>
            )}
            <section>
              <h3>{t.origin.metadata}</h3>
              {metadata ? <PlainValue value={metadata} /> : <p className="dim">{t.origin.noMetadata}</p>}
            </section>
          </div>
        )}
      </Explained>
    </>
  );
}
