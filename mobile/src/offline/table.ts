import { Paths } from "expo-file-system";
import { type SQLiteDatabase, openDatabaseAsync } from "expo-sqlite";
import { Platform } from "react-native";

import type { Card, Place, Table } from "./shelf";

/** Beside the key-value file of `platform/storage.ts`, so that what grows does not slow what the app reads first. */
const FILE = "shelf.db";
/**
 * iOS puts the folder of documents into backups, and what comes back from the gateway has no business there. It may empty the other folder when there is no
 * room left. On Android nothing of the app is in a backup.
 */
const folder = (): string | undefined => (Platform.OS === "ios" ? Paths.cache.uri : undefined);
const CREATE = `
  PRAGMA journal_mode = WAL;
  PRAGMA secure_delete = ON;
  CREATE TABLE IF NOT EXISTS shelf (
    server TEXT NOT NULL, subject TEXT NOT NULL, part TEXT NOT NULL, text TEXT NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (server, subject, part)
  );`;
const PLACE = "server = ? AND subject = ? AND part = ?";

let opened: Promise<SQLiteDatabase> | null = null;

function database(): Promise<SQLiteDatabase> {
  opened ??= openDatabaseAsync(FILE, undefined, folder()).then(async (database) => {
    await database.execAsync(CREATE);
    return database;
  });
  // A device that had no room may have some later.
  opened.catch(() => (opened = null));
  return opened;
}

/** What is kept, in SQLite. */
export const table: Table = {
  async cards() {
    return (await database()).getAllAsync<Card>("SELECT server, subject, part, size, at FROM shelf");
  },
  async read({ server, subject, part }) {
    return (await database()).getFirstAsync<{ text: string; at: number }>(`SELECT text, at FROM shelf WHERE ${PLACE}`, [server, subject, part]);
  },
  async write({ server, subject, part, size, at }, text) {
    await (await database()).runAsync("INSERT OR REPLACE INTO shelf (server, subject, part, text, size, at) VALUES (?, ?, ?, ?, ?, ?)", [server, subject, part, text, size, at]);
  },
  async remove(places: Place[]) {
    const open = await database();
    for (const { server, subject, part } of places) await open.runAsync(`DELETE FROM shelf WHERE ${PLACE}`, [server, subject, part]);
    // What was written lately is in the log of the database as well.
    if (places.length > 0) await open.execAsync("PRAGMA wal_checkpoint(TRUNCATE)");
  },
};
