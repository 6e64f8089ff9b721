/** Everything that this package throws is a `CodexError`. */
export class CodexError extends Error {
  override name = "CodexError";
}

/** No answer: the network, the address, or a gateway that went away in the middle. */
export class ConnectionError extends CodexError {
  override name = "ConnectionError";
}

/** No answer in time. */
export class TimeoutError extends ConnectionError {
  override name = "TimeoutError";
}

/** The caller's signal stopped it. `cause` is the signal's reason. */
export class AbortError extends CodexError {
  override name = "AbortError";
}

/** An answer that a gateway does not give: something else listens at the address, or a proxy in between changes what passes. */
export class ProtocolError extends CodexError {
  override name = "ProtocolError";
}

/** What an answer with an error status says. */
export interface Problem {
  /** A word for programs, for example `invalid_request`. */
  code: string;
  /** Words for people. */
  message: string;
  /** The id under which the gateway's log has more. */
  requestId: string | null;
  /** More for programs, for example which field is wrong. */
  details: Record<string, unknown> | null;
  /** When to try again, in milliseconds from now, where the gateway says so. */
  retryAfter: number | null;
}

/** The gateway refused. There is a subclass for each status that a program may want to tell apart. */
export class APIError extends CodexError {
  override name = "APIError";
  readonly status: number;
  readonly code: string;
  readonly requestId: string | null;
  readonly details: Record<string, unknown> | null;
  readonly retryAfter: number | null;

  constructor(status: number, problem: Problem) {
    super(problem.message);
    this.status = status;
    this.code = problem.code;
    this.requestId = problem.requestId;
    this.details = problem.details;
    this.retryAfter = problem.retryAfter;
  }

  /** The field of the request that is wrong, where the gateway names one. */
  get field(): string | null {
    const field = this.details?.["field"];
    return typeof field === "string" ? field : null;
  }
}

/** 400 and 422: the request breaks a rule. `field` names where. */
export class InvalidRequestError extends APIError {
  override name = "InvalidRequestError";
}

/** 401: not signed in, or not any more. */
export class AuthenticationError extends APIError {
  override name = "AuthenticationError";
}

/** 403: signed in, but not allowed to. */
export class PermissionDeniedError extends APIError {
  override name = "PermissionDeniedError";
}

/** 404: there is no such thing, or it is somebody else's. */
export class NotFoundError extends APIError {
  override name = "NotFoundError";
}

/** 409: the state of things forbids it, for example a task that has ended already. */
export class ConflictError extends APIError {
  override name = "ConflictError";
}

/** 429: too many requests or streams; `retryAfter` says how long to wait. */
export class RateLimitError extends APIError {
  override name = "RateLimitError";
}

/** 5xx: the gateway, or a store behind it, is in trouble. */
export class ServerError extends APIError {
  override name = "ServerError";
}

const byStatus: Record<number, typeof APIError> = {
  400: InvalidRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  422: InvalidRequestError,
  429: RateLimitError,
};

/** Reads the error out of an answer. It never fails: proxies answer with pages of their own. */
export async function apiError(response: Response): Promise<APIError> {
  const text = await response.text().catch(() => "");
  const said = errorIn(text);
  const problem: Problem = {
    code: string(said?.["code"]) ?? "unknown",
    message: string(said?.["message"]) ?? `the gateway answered with status ${response.status}`,
    requestId: string(said?.["request_id"]) ?? response.headers.get("x-request-id"),
    details: object(said?.["details"]),
    retryAfter: retryAfter(response.headers.get("retry-after")),
  };
  const kind = byStatus[response.status] ?? (response.status >= 500 ? ServerError : APIError);
  return new kind(response.status, problem);
}

function errorIn(text: string): Record<string, unknown> | null {
  try {
    return object(object(JSON.parse(text))?.["error"]);
  } catch {
    return null;
  }
}

/** `Retry-After` is a number of seconds, or a date. */
export function retryAfter(header: string | null, now = Date.now()): number | null {
  if (!header) return null;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - now;
  return Number.isNaN(wait) ? null : Math.max(0, wait);
}

const string = (value: unknown) => (typeof value === "string" ? value : null);
const object = (value: unknown) =>
  value !== null && typeof value === "object" ? (value as Record<string, unknown>) : null;
