import { AddressError, isPrivate, readAddress } from "@/servers/address";

test.each([
  ["codex.example.com", ["https://codex.example.com"]],
  ["  https://codex.example.com:8443/path?x=1 ", ["https://codex.example.com:8443"]],
  ["HTTPS://Codex.Example.com/", ["https://codex.example.com"]],
  ["localhost:8080", ["https://localhost:8080", "http://localhost:8080"]],
  ["192.168.1.20:8080", ["https://192.168.1.20:8080", "http://192.168.1.20:8080"]],
  ["http://10.0.0.7:8080", ["http://10.0.0.7:8080"]],
  ["mac.local", ["https://mac.local", "http://mac.local"]],
  ["[::1]:8080", ["https://[::1]:8080", "http://[::1]:8080"]],
])("%s is looked for at %j", (typed, candidates) => {
  expect(readAddress(typed).candidates).toEqual(candidates);
});

test.each(["", "   ", "ftp://codex.example.com", "javascript:alert(1)", "https://", "https://me:secret@codex.example.com", "not an address"])("%j is no address", (typed) => {
  expect(() => readAddress(typed)).toThrow(AddressError);
});

test.each(["http://codex.example.com", "http://8.8.8.8", "http://172.32.0.1", "http://192.169.0.1", "http://100.63.255.255", "http://10.0.0.1.example.com"])("%s would send passwords in the open", (typed) => {
  expect(() => readAddress(typed)).toThrow(/https/);
});

test.each(["localhost", "127.0.0.1", "10.255.0.1", "172.16.0.1", "172.31.255.255", "169.254.1.1", "100.64.0.1", "codex", "nas.local", "[fd00::1]", "[fe80::1]"])("%s is private", (host) => {
  expect(isPrivate(host)).toBe(true);
});
