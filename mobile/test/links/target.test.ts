import { redirectSystemPath } from "../../app/+native-intent";

const id = "0198c7f2-1111-7222-8333-444455556666";
const of = (path: string) => redirectSystemPath({ path, initial: true });
const gateway = `/open?server=${encodeURIComponent("https://codex.example.com")}&task=${id}`;

test.each([
  [`codex://task/${id}`, `/task/${id}`],
  [`codex:///task/${id}`, `/task/${id}`],
  [`codex://task/${id}?server=https%3A%2F%2Fcodex.example.com`, gateway],
  [`https://codex.example.com/task/?id=${id}`, gateway],
  [`https://codex.example.com/task/?id=${id}&view=changes#17`, gateway],
  [`https://codex.example.com/task/${id}`, gateway],
  ["codex://new", "/new"],
  ["codex://new?prompt=Fix%20the%20%23%20sign%0Aplease", "/new?prompt=Fix%20the%20%23%20sign%0Aplease"],
  ["codex://expo-sharing", "/new?shared=1"],
  ["codex://settings", "/settings"],
  ["codex://", "/"],
  ["/settings", "/settings"],
  ["exp://192.168.1.2:8081/--/settings", "exp://192.168.1.2:8081/--/settings"],
])("%s leads to %s", (address, route) => {
  expect(of(address)).toBe(route);
});

test("the way back from the identity provider leads nowhere; an app that it starts has to be somewhere", () => {
  expect(redirectSystemPath({ path: "codex://signed-in#code=abc", initial: false })).toBeNull();
  expect(of("codex://signed-in#code=abc")).toBe("/");
});

test.each(["codex://task/../../settings", "codex://task/", "codex://task/%2e%2e", "https://codex.example.com/settings/", "https://codex.example.com/task/?id=<script>", "codex://elsewhere"])("%s leads nowhere", (address) => {
  expect(of(address)).toBe("/open");
});
