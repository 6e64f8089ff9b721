export { CodexClient, type Auth, type ClientOptions, type StreamHandlers } from "./client.js";
export {
  APIError,
  AbortError,
  AuthenticationError,
  CodexError,
  ConflictError,
  ConnectionError,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  ProtocolError,
  RateLimitError,
  ServerError,
  TimeoutError,
  type Problem,
} from "./errors.js";
export * from "./events.js";
export type { Call, CallOptions, Fetch, Query } from "./http.js";
export type { CreateOptions, LogOptions, Patch } from "./resources.js";
export { memoryStore, webStore, type Credentials, type Lock, type TokenStore, type Tokens } from "./session.js";
export type { ConnectionState, StreamOptions } from "./stream.js";
export type * from "./types.js";
export type { WebSocketConstructor, WebSocketLike } from "./websocket.js";
