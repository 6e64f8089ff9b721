import { isReturn, routeOf } from "@/links/target";
import { arriveByLink } from "@/servers/sso";

/** The system hands addresses over as they are. Throwing here would end the app. */
export function redirectSystemPath({ path, initial }: { path: string; initial: boolean }): string | null {
  try {
    if (isReturn(path)) void arriveByLink(path);
    // An app that was only just started is nowhere yet.
    return routeOf(path) ?? (initial ? "/" : null);
  } catch {
    return "/open";
  }
}
