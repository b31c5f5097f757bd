/** A failed request: RFC 9457 problem details from the service, or no response at all. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 if there was no response. */
    readonly status: number,
    /** unmask's code for the error, e.g. `truncated`; "" if there is none. */
    readonly code: string,
    /** The service's own message; "" if there is none. */
    readonly detail: string,
    /** Seconds to wait, if the service gave them. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail || code || `HTTP ${status}`);
  }

  static offline(): Problem {
    return new Problem(0, "offline", "");
  }

  static fromResponse(status: number, body: string, retryAfter: string | null): Problem {
    const fields = parse(body);
    const code = typeof fields.code === "string" ? fields.code : "";
    const detail = [fields.detail, fields.title].find((text) => typeof text === "string" && text !== "");
    return new Problem(status, code, typeof detail === "string" ? detail : "", seconds(retryAfter));
  }
}

/** Return a caught problem; anything else is a bug in the page and is thrown again. */
export function asProblem(caught: unknown): Problem {
  if (caught instanceof Problem) return caught;
  throw caught;
}

function parse(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** `Retry-After` as seconds; it may also be a date (RFC 9110, 10.2.3). */
function seconds(retryAfter: string | null): number | null {
  if (retryAfter === null) return null;
  const value = /^\d+$/.test(retryAfter) ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Number.isNaN(value) ? null : Math.max(0, Math.ceil(value));
}
