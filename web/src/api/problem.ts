/** An answer of the service that is not what was asked for: RFC 9457 problem details, or no answer at all. */
export class Problem extends Error {
  constructor(
    /** HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** unmask's name of the fault, e.g. `truncated`; "" where there is none. */
    readonly code: string,
    /** The service's own sentence; "" where there is none. */
    readonly detail: string,
    /** Seconds to wait, where the service said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail || code || `HTTP ${status}`);
  }

  static offline(): Problem {
    return new Problem(0, "offline", "");
  }

  static fromAnswer(status: number, body: string, retryAfter: string | null): Problem {
    const fields = parse(body);
    const code = typeof fields.code === "string" ? fields.code : "";
    const detail = [fields.detail, fields.title].find((text) => typeof text === "string" && text !== "");
    return new Problem(status, code, typeof detail === "string" ? detail : "", seconds(retryAfter));
  }
}

/** Anything caught, as a problem; what is none is a fault of the page and goes on. */
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
