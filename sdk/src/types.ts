import type { TaskState, Usage } from "./events.js";

/** A task, as the gateway has it on record. Times are RFC 3339. */
export interface Task {
  task_id: string;
  status: TaskState;
  owner: string;
  prompt: string;
  prompt_truncated?: boolean;
  cwd: string | null;
  repository: string | null;
  env?: Record<string, string>;
  model: string | null;
  timeout_seconds: number | null;
  queue_position?: number;
  exit_code: number | null;
  reason: string | null;
  message: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  cancel_requested_at: string | null;
  usage: Usage | null;
  thread_id: string | null;
  last_frame: number | null;
  resource_name?: string;
}

export interface TaskPage {
  tasks: Task[];
  total: number;
  offset: number;
  limit: number;
}

export interface TaskReceipt {
  task_id: string;
  status: TaskState;
  cancel_requested?: boolean;
}

export interface TaskQuery {
  offset?: number | undefined;
  /** 1 to 200; 50 when it is not given. */
  limit?: number | undefined;
  status?: TaskState | undefined;
  /** What to look for in prompt, repository, owner and id. */
  q?: string | undefined;
}

export interface NewTask {
  prompt: string;
  /** The folder to work in, inside one of the repositories. */
  cwd?: string | undefined;
  env?: Record<string, string> | undefined;
  model?: string | undefined;
  timeout_seconds?: number | undefined;
}

export interface Repository {
  name: string;
  /** What `cwd` begins with. */
  path: string;
  description: string | null;
  model: string | null;
  timeout_seconds: number | null;
  default: boolean;
}
