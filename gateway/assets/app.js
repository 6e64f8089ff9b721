import * as sso from "/sso.js";
import { follow, problem } from "/stream.js";

const POLL = 5000;
const LOG_ENTRIES = 5000;
const byId = (id) => document.getElementById(id);
const view = Object.fromEntries(
  ["login", "workspace", "logout", "notice", "submit", "tasks", "empty", "task", "state", "title", "reason", "connection", "log", "cancel", "sso"]
    .map((id) => [id, byId(id)]),
);

// The tokens live as long as the tab. Other tabs log in for themselves.
let session = JSON.parse(sessionStorage.getItem("session") ?? "null");
let refreshing = null;
let watching = null;
let timer = null;

function setSession(tokens) {
  session = tokens && { access: tokens.access_token, refresh: tokens.refresh_token };
  if (session) sessionStorage.setItem("session", JSON.stringify(session));
  else sessionStorage.removeItem("session");
}

const post = (path, body) =>
  fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** A refresh token is good once, so requests that fail together share one exchange. */
function refresh() {
  refreshing ??= (async () => {
    const response = session?.refresh ? await post("/auth/refresh", { refresh_token: session.refresh }) : null;
    if (response?.ok) setSession(await response.json());
    else if (!response || response.status === 401) setSession(null);
    return response?.ok ?? false;
  })().finally(() => { refreshing = null; });
  return refreshing;
}

async function request(path, options = {}) {
  const send = () =>
    fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${session?.access ?? ""}` } });
  let response = await send();
  if (response.status === 401 && (await refresh())) response = await send();
  if (response.status === 401) {
    setSession(null);
    show();
  }
  return response;
}

async function json(path, options) {
  const response = await request(path, options);
  if (!response.ok) throw await problem(response);
  return response.status === 204 ? null : response.json();
}

function notice(text) {
  view.notice.textContent = text;
  view.notice.hidden = !text;
}

/** Runs a handler with its button switched off, and shows what goes wrong. */
async function attempt(button, work) {
  notice("");
  if (button) button.disabled = true;
  try {
    await work();
  } catch (error) {
    notice(error.message);
  } finally {
    if (button) button.disabled = false;
  }
}

function show() {
  const inside = Boolean(session);
  view.login.hidden = inside;
  view.workspace.hidden = !inside;
  view.logout.hidden = !inside;
  clearTimeout(timer);
  if (!inside) {
    leaveTask();
    return;
  }
  attempt(null, loadRepositories);
  poll();
  openFromAddress();
}

async function loadRepositories() {
  const { repositories } = await json("/api/repositories");
  const select = view.submit.elements.repository;
  select.replaceChildren(
    ...repositories.map((repository) => {
      const option = new Option(repository.name, repository.path, repository.default, repository.default);
      option.title = repository.description ?? repository.path;
      return option;
    }),
  );
}

async function loadTasks() {
  const { tasks } = await json("/api/tasks?limit=50");
  view.empty.hidden = tasks.length > 0;
  view.tasks.replaceChildren(...tasks.map(taskEntry));
}

function taskEntry(task) {
  const button = element("button");
  button.type = "button";
  button.setAttribute("aria-current", String(watching?.id === task.task_id));
  const time = element("time", new Date(task.created_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = task.created_at;
  button.append(stateBadge(task.status), element("span", task.prompt, "prompt"), time);
  button.addEventListener("click", () => { location.hash = task.task_id; });
  const item = element("li");
  item.append(button);
  return item;
}

async function poll() {
  clearTimeout(timer);
  if (!document.hidden) await loadTasks().catch(() => {});
  if (session) timer = setTimeout(poll, POLL);
}

function stateBadge(state) {
  const badge = element("span", state, "state");
  badge.dataset.state = state;
  return badge;
}

function element(tag, text, className) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
}

function leaveTask() {
  watching?.stop.abort();
  watching = null;
  view.task.hidden = true;
}

function openFromAddress() {
  const id = location.hash.slice(1);
  if (!session || watching?.id === id) return;
  leaveTask();
  if (id) openTask(id);
}

async function openTask(id) {
  const stop = new AbortController();
  watching = { id, stop };
  view.task.hidden = false;
  view.title.textContent = id;
  view.log.replaceChildren();
  setState({ state: "…" });
  try {
    const task = await json(`/api/tasks/${encodeURIComponent(id)}`, { signal: stop.signal });
    view.title.textContent = task.prompt.split("\n")[0].slice(0, 200);
    await follow(id, {
      request,
      signal: stop.signal,
      onConnection: (text) => {
        view.connection.textContent = text;
        view.connection.hidden = !text;
      },
      onEvent: (name, data) => {
        if (!stop.signal.aborted) onEvent(name, data);
      },
    });
    await loadTasks();
  } catch (error) {
    if (!stop.signal.aborted) notice(error.message);
  }
}

function setState({ state, reason, message, queue_position: position, exit_code: exitCode }) {
  const detail = position ? ` ${position}` : Number.isInteger(exitCode) ? ` · exit ${exitCode}` : "";
  view.state.textContent = state + detail;
  view.state.dataset.state = state;
  view.cancel.hidden = !["queued", "running"].includes(state);
  view.reason.textContent = [reason, message].filter(Boolean).join(": ");
  view.reason.hidden = !view.reason.textContent || state === "completed";
}

function onEvent(name, data) {
  if (name === "status" || name === "done") return setState(data);
  const entries = { log: logEntry, item: itemEntry, gap: gapEntry }[name]?.(data);
  if (!entries) return undefined;
  const atEnd = view.log.scrollHeight - view.log.scrollTop - view.log.clientHeight < 80;
  view.log.append(...entries);
  while (view.log.childElementCount > LOG_ENTRIES) view.log.firstElementChild.remove();
  if (atEnd) view.log.scrollTop = view.log.scrollHeight;
  return undefined;
}

const logEntry = (data) => [element("div", data.line, data.stream)];
const gapEntry = (data) => [element("div", `${data.count} lines are lost`, "failed")];

function itemEntry(data) {
  if (data.type === "runner.patch") return data.patch ? [element("div", "Changes", "quiet"), element("pre", data.patch)] : null;
  if (data.type === "turn.failed") return [element("div", data.error?.message ?? "The turn failed.", "failed")];
  if (data.type === "error") return [element("div", data.message ?? "Error", "failed")];
  const item = data.item;
  if (!item) return null;
  if (data.type === "item.started") {
    return item.type === "command_execution" ? [element("div", item.command, "command")] : null;
  }
  if (data.type !== "item.completed") return null;
  switch (item.type) {
    case "agent_message":
      return [element("div", item.text, "message")];
    case "reasoning":
      return [element("div", item.text, "quiet")];
    case "command_execution": {
      const entries = item.aggregated_output ? [element("pre", item.aggregated_output)] : [];
      if (item.exit_code) entries.push(element("div", `exit code ${item.exit_code}`, "failed"));
      return entries;
    }
    case "file_change":
      return (item.changes ?? []).map((change) => element("div", `${change.kind} ${change.path}`));
    case "todo_list":
      return (item.items ?? []).map((todo) => element("div", `${todo.completed ? "☑" : "☐"} ${todo.text}`, "quiet"));
    case "error":
      return [element("div", item.message, "failed")];
    default:
      return [element("div", item.type, "quiet")];
  }
}

view.login.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = view.login;
  attempt(form.querySelector("button"), async () => {
    const response = await post("/auth/login", { email: form.elements.email.value, password: form.elements.password.value });
    if (!response.ok) throw await problem(response);
    setSession(await response.json());
    form.reset();
    show();
  });
});

view.submit.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = view.submit;
  attempt(form.querySelector("button"), async () => {
    const folder = form.elements.folder.value.trim().replace(/^\/+/, "");
    const cwd = form.elements.repository.value + (folder ? `/${folder}` : "");
    const body = JSON.stringify({ prompt: form.elements.prompt.value, cwd });
    // If the answer is lost, the same click must not become two tasks.
    const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    const send = () => json("/api/tasks", { method: "POST", headers, body });
    const task = await send().catch((error) => (error.status ? Promise.reject(error) : send()));
    form.elements.prompt.value = "";
    location.hash = task.task_id;
    await loadTasks();
  });
});

view.cancel.addEventListener("click", () =>
  attempt(view.cancel, () => json(`/api/tasks/${encodeURIComponent(watching.id)}`, { method: "DELETE" })),
);

view.logout.addEventListener("click", () =>
  attempt(view.logout, async () => {
    const token = session?.refresh;
    setSession(null);
    show();
    const answer = token ? await post("/auth/logout", { refresh_token: token }) : null;
    // The session with the identity provider ends there.
    if (answer?.status === 200) location.assign((await answer.json()).end_session_url);
  }),
);

view.sso.addEventListener("click", () => attempt(view.sso, sso.begin));

/** The browser may come back from the identity provider; otherwise this finds out whether there is one. */
async function start() {
  await attempt(null, async () => {
    const response = await sso.finish(post);
    if (response && !response.ok) throw await problem(response);
    if (response) setSession(await response.json());
  });
  show();
  addEventListener("hashchange", openFromAddress);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && session) poll(); });
  const name = await sso.provider();
  if (name) view.sso.textContent = `Sign in with ${name}`;
  view.sso.hidden = !name;
}

start();
