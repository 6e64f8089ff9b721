import * as Network from "expo-network";
import { AppState } from "react-native";

/** Whether somebody can see the app, and over what it could be connected. */
export interface Attention {
  isShown: boolean;
  isOnline: boolean;
  /** The kind of network, for example `WIFI`. Connections do not survive the change from one to another. */
  network: string;
}

/** What was last heard, from the first listener on. Until the system has answered, there counts as being a network. */
let known: Attention = { isShown: true, isOnline: true, network: "" };
const listeners = new Set<(attention: Attention) => void>();
let stop: (() => void) | null = null;

/** Calls back when the app goes to the background or comes back, and when the network comes, goes or changes. Answers with how to stop that. */
export function onAttention(listener: (attention: Attention) => void): () => void {
  listeners.add(listener);
  stop ??= listen();
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    stop?.();
    stop = null;
  };
}

export const attention = (): Attention => known;

function listen(): () => void {
  // `inactive` is a glance at something that lies over the app, on iOS: not worth giving up a connection.
  const isShown = (state: string | null) => state !== "background";
  const seen = (state: Network.NetworkState) => change({ isOnline: state.isConnected !== false, network: state.type ?? "" });
  known = { isShown: isShown(AppState.currentState), isOnline: true, network: "" };
  const app = AppState.addEventListener("change", (state) => change({ isShown: isShown(state) }));
  const network = Network.addNetworkStateListener(seen);
  // Whether the internet can be reached does not matter: gateways in a network of one's own need none.
  Network.getNetworkStateAsync().then(seen, () => {});
  return () => {
    app.remove();
    network.remove();
  };
}

function change(part: Partial<Attention>): void {
  const next = { ...known, ...part };
  if (next.isShown === known.isShown && next.isOnline === known.isOnline && next.network === known.network) return;
  known = next;
  for (const listener of [...listeners]) listener(next);
}
