import { type UseStore, createStore, delMany, entries, get, set } from "idb-keyval";

import type { Card, Place, Table } from "./shelf";

interface Entry {
  text: string;
  at: number;
}

/** Texts and what is known of them are apart, so that counting does not read everything. */
const stores: { texts?: UseStore; cards?: UseStore } = {};
const texts = () => (stores.texts ??= createStore("codex-remote-shelf", "texts"));
const cards = () => (stores.cards ??= createStore("codex-remote-shelf-cards", "cards"));
const keyOf = ({ server, subject, part }: Place): string[] => [server, subject, part];

/** What is kept, in the browser's database. */
export const table: Table = {
  async cards() {
    return (await entries<string[], Card>(cards())).map(([, card]) => card);
  },
  async read(place) {
    return (await get<Entry>(keyOf(place), texts())) ?? null;
  },
  async write(card, text) {
    // A card without its text costs nothing; a text without its card would never go.
    await set(keyOf(card), card, cards());
    await set(keyOf(card), { text, at: card.at } satisfies Entry, texts());
  },
  async remove(places) {
    const keys = places.map(keyOf);
    await delMany(keys, texts());
    await delMany(keys, cards());
  },
};
