/** The statements of the table against a real SQLite, compiled for JavaScript; the module that has it on a phone is mocked by it. */
import initSqlJs, { type Database, type SqlValue } from "sql.js";

import { table } from "@/offline/table";

const mockOpened: Database[] = [];
const mockFolders: (string | undefined)[] = [];
jest.mock("expo-file-system", () => ({ Paths: { cache: { uri: "file:///Caches/" } } }));
jest.mock("expo-sqlite", () => ({
  openDatabaseAsync: async (_name: string, _options?: object, folder?: string) => {
    mockFolders.push(folder);
    const [database] = mockOpened;
    if (!database) throw new Error("there is no room");
    const all = (sql: string, values: SqlValue[] = []) => {
      const statement = database.prepare(sql, values);
      const rows: object[] = [];
      while (statement.step()) rows.push(statement.getAsObject());
      statement.free();
      return rows;
    };
    return {
      execAsync: async (sql: string) => void database.exec(sql),
      getAllAsync: async (sql: string, values?: SqlValue[]) => all(sql, values),
      getFirstAsync: async (sql: string, values?: SqlValue[]) => all(sql, values)[0] ?? null,
      runAsync: async (sql: string, values: SqlValue[]) => void database.run(sql, values),
    };
  },
}));

const place = { server: "https://one.example", subject: "t-1", part: "log" };

test("a device without room keeps nothing, until it has some; then what is written can be read, counted, replaced and removed", async () => {
  await expect(table.cards()).rejects.toThrow("there is no room");
  const { Database } = await initSqlJs();
  mockOpened.push(new Database());
  expect(await table.cards()).toEqual([]);
  expect(await table.read(place)).toBeNull();
  await table.write({ ...place, size: 3, at: 1 }, "one");
  await table.write({ ...place, size: 5, at: 2 }, "o'two");
  await table.write({ ...place, part: "task", size: 2, at: 3 }, "{}");
  expect(await table.read(place)).toEqual({ text: "o'two", at: 2 });
  expect((await table.cards()).sort((one, other) => one.at - other.at)).toEqual([
    { ...place, size: 5, at: 2 },
    { ...place, part: "task", size: 2, at: 3 },
  ]);
  await table.remove([place]);
  expect(await table.read(place)).toBeNull();
  expect(await table.cards()).toHaveLength(1);
});

test("on iOS it is where no backup reaches, and what is removed is overwritten", () => {
  expect(new Set(mockFolders)).toEqual(new Set(["file:///Caches/"]));
  expect(mockOpened[0]?.exec("PRAGMA secure_delete")[0]?.values).toEqual([[1]]);
});
