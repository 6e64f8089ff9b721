import type { Fetch } from "@codex-remote/sdk";
import { fetch as expoFetch } from "expo/fetch";

/** React Native's own gives a body only as a whole; this one streams. */
export const fetch: Fetch = expoFetch;
