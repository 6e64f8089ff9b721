// Generated from gateway/openapi.json by `npm run generate -w sdk`; do not edit.

export interface paths {
    "/.well-known/apple-app-site-association": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the iOS apps that open links to this gateway
         * @description Asked by iOS when an app is installed, for universal links to the pages of tasks.
         */
        get: operations["get_apple_association"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/.well-known/assetlinks.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the Android apps that open links to this gateway
         * @description Asked by Android when an app is installed, for app links to the pages of tasks.
         */
        get: operations["list_asset_links"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/.well-known/jwks.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get the keys of access tokens
         * @description For whoever wants to verify access tokens without asking the gateway.
         */
        get: operations["get_jwks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the audit log, newest first */
        get: operations["list_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/audit/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Export the audit log as NDJSON, newest first
         * @description One `AuditEntry` a line. An export that ends early breaks the connection.
         */
        get: operations["export_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document as a page */
        get: operations["get_reference"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/docs/style.css": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How that page looks */
        get: operations["get_reference_style"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who you are */
        get: operations["get_me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/me/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Change your password
         * @description Ends all your sessions, and answers with a new one. Not for API tokens.
         */
        post: operations["change_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This document */
        get: operations["get_document"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/repositories": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the repositories
         * @description What `cwd` may be.
         */
        get: operations["list_repositories"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List tasks, newest first
         * @description Your own; administrators see everybody's.
         */
        get: operations["list_tasks"];
        put?: never;
        /**
         * Submit a task
         * @description Once this is answered with 201, the task is on record and will run. Send an `Idempotency-Key` to be able to repeat the request when the answer gets lost: the same key with the same body is the same task, with another body 409.
         */
        post: operations["create_task"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Look at a task
         * @description The record stays when the `CodexTask` and its Pod are gone.
         */
        get: operations["get_task"];
        put?: never;
        post?: never;
        /**
         * Cancel a task
         * @description Output until the end is kept.
         */
        delete: operations["cancel_task"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{id}/artifacts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List what a task left
         * @description The log is always there. Patch, session and the runner's own record of a long log come at the end of a task, where it left them.
         */
        get: operations["list_artifacts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{id}/artifacts/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Download what a task left
         * @description Answers with the file, named after the task for whoever saves it.
         */
        get: operations["get_artifact"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{id}/log": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the log
         * @description Everything up to now, or a part of it; of a finished task all of it. The answer is compressed as `Accept-Encoding` has it, with gzip or zstd.
         */
        get: operations["get_log"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{id}/patch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read the patch
         * @description What the task changed, for `git apply`. 404 while it has not ended, and when it changed nothing.
         */
        get: operations["get_patch"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Watch a task: server-sent events
         * @description The present `status` comes first, then everything after the number that you name, then what happens, and `done` at the end. `event`, `id` and `data` are those of the schema `StreamEvent`. A comment every 15 seconds shows that the connection lives.
         */
        get: operations["stream_task"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tasks/{id}/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Watch a task: WebSocket
         * @description Each message is one `StreamEvent` as JSON. Where the header `Authorization` cannot be set, offer the subprotocols `codex.events` and `bearer.` followed by the token.
         */
        get: operations["watch_task"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List API tokens
         * @description Your own, newest first, expired ones too; never the secrets. Not for API tokens themselves.
         */
        get: operations["list_tokens"];
        put?: never;
        /**
         * Make an API token
         * @description The answer is the only one that has the secret. Not for API tokens themselves.
         */
        post: operations["create_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke an API token
         * @description Streams that were opened with it end. Administrators may revoke everybody's. Not for API tokens themselves.
         */
        delete: operations["delete_token"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List users, by address
         * @description For administrators.
         */
        get: operations["list_users"];
        put?: never;
        /**
         * Add a user
         * @description For administrators.
         */
        post: operations["create_user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Look at a user
         * @description For administrators.
         */
        get: operations["get_user"];
        put?: never;
        post?: never;
        /**
         * Remove a user
         * @description For administrators. The record of the tasks stays.
         */
        delete: operations["delete_user"];
        options?: never;
        head?: never;
        /**
         * Change a user
         * @description For administrators. What is left out stays. Tasks of a user who is disabled go on, and `open_tasks` says how many there are.
         */
        patch: operations["update_user"];
        trace?: never;
    };
    "/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sign in with a password */
        post: operations["login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sign out
         * @description Ends what came from the same sign-in, access tokens and streams too. When that was at an identity provider at which one can sign out, the answer says where.
         */
        post: operations["logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/methods": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the ways to sign in */
        get: operations["list_methods"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/oidc/callback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Come back from the identity provider
         * @description A sign-in that was not begun in this browser leads to the first page, with `lost`: people see where this ends.
         */
        get: operations["finish_login"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/oidc/exchange": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Collect the tokens of such a sign-in
         * @description The code is good for a minute and for one try.
         */
        post: operations["exchange_code"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/oidc/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Sign in with the identity provider
         * @description For browsers: leads to the provider, and in the end to `return_to#code=...` or `return_to#error=...`.
         */
        get: operations["begin_login"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Get new tokens
         * @description Each refresh token is good once. Within half a minute the same token gets the same successor, until that is used; any other second use ends everything that came from the same sign-in.
         */
        post: operations["refresh"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the process answers */
        get: operations["healthz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Counters for Prometheus */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the stores answer too */
        get: operations["readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A token, without what is secret of it. */
        ApiToken: {
            /** Format: date-time */
            created_at: string;
            expired: boolean;
            /** Format: date-time */
            expires_at: string;
            /** Format: uuid */
            id: string;
            /**
             * Format: date-time
             * @description To the minute.
             */
            last_used_at: string | null;
            name: string;
            scopes: string[];
        };
        /** @description All tokens of a user. */
        ApiTokenList: {
            tokens: components["schemas"]["ApiToken"][];
        };
        /** @description A token that was just made. */
        ApiTokenWithSecret: components["schemas"]["ApiToken"] & {
            /** @description The secret. It is told this once. */
            secret: string;
        };
        /** @description What iOS asks for. */
        AppleAppSiteAssociation: {
            applinks: components["schemas"]["Applinks"];
        };
        Applinks: {
            details: components["schemas"]["ApplinksDetails"][];
        };
        ApplinksComponent: {
            "/": string;
        };
        ApplinksDetails: {
            /** @description The apps, as `TEAMID.bundle`. */
            appIDs: string[];
            /** @description Which paths they open. */
            components: components["schemas"]["ApplinksComponent"][];
        };
        /** @description One file. */
        ArtifactEntry: {
            /**
             * Format: int64
             * @description The size of the download in bytes, where it is known beforehand: not for the log, which is written as it is read.
             */
            bytes: number | null;
            media_type: string;
            /** @description `log.ndjson`, `patch.diff`, `session.jsonl.zst` or `frames.ndjson.zst`. */
            name: string;
            /** @description Where it is. */
            path: string;
        };
        /** @description Everything that a task left. */
        ArtifactList: {
            artifacts: components["schemas"]["ArtifactEntry"][];
        };
        /** @description What Android asks for: one statement for each package. */
        AssetLink: {
            relation: string[];
            target: components["schemas"]["AssetLinkTarget"];
        };
        AssetLinkTarget: {
            namespace: string;
            package_name: string;
            /** @description SHA-256, of the certificates that sign the app. */
            sha256_cert_fingerprints: string[];
        };
        /** @description An entry. */
        AuditEntry: {
            /** @description For example `task.create`. */
            action: string;
            /** @description An email address, or the name of a part of the system. */
            actor: string;
            /** Format: date-time */
            at: string;
            /** @description With what: `session:<id>` or `api_token:<id>`. A login names the session that it began. */
            credential: string | null;
            /** @description What the API token was called then. */
            credential_name: string | null;
            /** Format: int64 */
            id: number;
            /** @description The address that the request came from. */
            ip: string | null;
            /** @description The id of the request, as in the log of the gateway. */
            request_id: string | null;
            /** @description `task:<id>`, `user:<id>`, `api_token:<id>` or `session:<id>`. */
            target: string | null;
            /**
             * Format: uuid
             * @description The user, where there is one.
             */
            user_id: string | null;
        };
        /** @description A page of entries. */
        AuditPage: {
            entries: components["schemas"]["AuditEntry"][];
            /** @description Leads to the next page; `null` on the last. */
            next_cursor: string | null;
        };
        /** @description The body that collects the tokens. */
        CodeExchange: {
            /** @description From the fragment of the address that the browser returned to. */
            code: string;
            /** @description The secret whose SHA-256 the sign-in was begun with. */
            verifier: string;
        };
        /** @description The data of a `done` event. */
        DoneData: {
            /**
             * Format: int32
             * @description What Codex ended with, where it ended by itself.
             */
            exit_code: number | null;
            message?: string | null;
            reason?: string | null;
            state: components["schemas"]["TaskState"];
        };
        /** @description The end: comes after everything else, and the stream ends with it. */
        DoneEvent: {
            data: components["schemas"]["DoneData"];
            /** @enum {string} */
            event: "done";
        };
        /** @description The form of every error. */
        Error: {
            error: {
                /** @description A word for programs, for example `invalid_request`. */
                code: string;
                /** @description More for programs, for example the `field` that breaks a rule. */
                details?: Record<string, never> | null;
                /** @description What is wrong and what to do, for people. */
                message: string;
                /** @description Finds the request in the log of the gateway. */
                request_id: string;
            };
        };
        /**
         * @description The names of all events.
         * @enum {string}
         */
        EventName: "status" | "log" | "item" | "gap" | "done";
        /** @description The data of a `gap` event. */
        GapData: {
            /**
             * Format: int64
             * @description How many frames are lost.
             */
            count: number;
            /**
             * Format: int64
             * @description The number of the first of them.
             */
            from: number;
            /** Format: date-time */
            ts?: string | null;
        };
        /** @description Frames that are lost for good. Nothing is lost where there is no such event. */
        GapEvent: {
            data: components["schemas"]["GapData"];
            /** @enum {string} */
            event: "gap";
            /**
             * Format: int64
             * @description The number of the last frame that is lost.
             */
            id: number;
        };
        /** @description What a probe hears. */
        Health: {
            /** @description Where requests are counted: `memory`, `redis`, or `degraded` while Redis is away and each gateway counts for itself. */
            rate_limits?: string | null;
            /** @description `ok` or `ready`. */
            status: string;
        };
        /** @description Another provider. */
        IdentityProvider: {
            /** @description What the button says. */
            name: string;
        };
        /**
         * @description An event as `codex exec --json` prints it, with its time. Types that begin with `runner.` come from the runner. Further keys depend on the
         *     type and on the version of Codex.
         */
        ItemData: {
            /**
             * Format: int64
             * @description The number of the first frame, where there are several.
             */
            from?: number | null;
            /**
             * Format: date-time
             * @description When the last frame of the event was written.
             */
            ts: string;
            /** @description The kind of the event, for example `item.completed`. */
            type?: string | null;
        } & {
            [key: string]: unknown;
        };
        /** @description An event of Codex. */
        ItemEvent: {
            data: components["schemas"]["ItemData"];
            /** @enum {string} */
            event: "item";
            /**
             * Format: int64
             * @description The number of the last frame of the event; name it to resume.
             */
            id: number;
        };
        /** @description The public half of a key, as a JSON Web Key. */
        JsonWebKey: {
            /** @description `EdDSA` */
            alg: string;
            /** @description The curve, `Ed25519`. */
            crv: string;
            /** @description Its name in tokens. */
            kid: string;
            /** @description `OKP`: an octet key pair. */
            kty: string;
            /** @description `sig`: for signatures. */
            use: string;
            /** @description The key, base64url. */
            x: string;
        };
        /** @description The keys of access tokens: a JSON Web Key Set. */
        JsonWebKeySet: {
            keys: components["schemas"]["JsonWebKey"][];
        };
        /** @description The data of a `log` event. */
        LogData: {
            /**
             * Format: int64
             * @description The number of the first frame of the line, where there are several.
             */
            from?: number | null;
            line: string;
            stream: components["schemas"]["OutputStream"];
            /** Format: date-time */
            ts: string;
        };
        /** @description A line of output. */
        LogEvent: {
            data: components["schemas"]["LogData"];
            /** @enum {string} */
            event: "log";
            /**
             * Format: int64
             * @description The number of the last frame of the line; name it to resume.
             */
            id: number;
        };
        /** @description The body of a login. */
        Login: {
            email: string;
            /** Format: password */
            password: string;
        };
        /** @description Who somebody is. */
        Me: {
            /** Format: date-time */
            created_at: string;
            email: string;
            /** @description Whether there is a password that could be changed. */
            has_password: boolean;
            /** Format: uuid */
            id: string;
            /** Format: date-time */
            last_login_at: string | null;
            role: components["schemas"]["Role"];
            /** @description What the API token is good for; not there for people who are logged in, who may do all that their role allows. */
            scopes?: components["schemas"]["TokenScope"][] | null;
        };
        /** @description The body of a new token. */
        NewApiToken: {
            /**
             * Format: int64
             * @description 90 without.
             */
            expires_in_days?: number | null;
            /** @description What you call it; each of your tokens has a name of its own. */
            name: string;
            /** @description What it is good for. */
            scopes: components["schemas"]["TokenScope"][];
        };
        /** @description The body of a new user. */
        NewUser: {
            /** Format: email */
            email: string;
            /**
             * Format: password
             * @description May be left out for somebody who signs in with another provider.
             */
            password?: string | null;
            role?: components["schemas"]["Role"];
        };
        /**
         * @description Where a line was written.
         * @enum {string}
         */
        OutputStream: "stdout" | "stderr";
        /** @description The body of a change of password. */
        PasswordChange: {
            /** Format: password */
            current_password: string;
            /** Format: password */
            new_password: string;
        };
        /** @description The short answer to a request that made or changed a task. */
        Receipt: {
            /** @description Whether the end was asked for; left out when not. */
            cancel_requested?: boolean;
            status: components["schemas"]["TaskState"];
            /** Format: uuid */
            task_id: string;
        };
        /** @description The body of a refresh and of a logout. */
        RefreshToken: {
            refresh_token: string;
        };
        /** @description One entry, without where it comes from: that is nobody's business but the administrator's. */
        Repository: {
            /** @description Whether tasks without `cwd` work here. */
            default: boolean;
            description: string | null;
            /** @description The model of tasks that name none. */
            model: string | null;
            name: string;
            /** @description The folder, for `cwd`. */
            path: string;
            /**
             * Format: int64
             * @description The time limit of tasks that name none.
             */
            timeout_seconds: number | null;
        };
        /** @description The allow-list. */
        RepositoryList: {
            repositories: components["schemas"]["Repository"][];
        };
        /**
         * @description What a user may do.
         * @enum {string}
         */
        Role: "admin" | "user";
        /** @description One event as server-sent events carry it; `event`, `id` and `data` are those of a `StreamEvent`. */
        ServerSentEvent: {
            /** @description The `data` of the event, as JSON. */
            data: string;
            event: components["schemas"]["EventName"];
            /** @description The number of the last frame of the event, where it has one; send it as `Last-Event-ID` to resume. */
            id?: string;
            /**
             * Format: int32
             * @description After how many milliseconds to connect again, when the connection breaks; stands in the first event.
             */
            retry?: number;
        };
        /** @description The ways to sign in, for the page that offers them. */
        SignInMethods: {
            oidc: null | components["schemas"]["IdentityProvider"];
            /** @description Whether `POST /auth/login` may be tried. */
            password: boolean;
        };
        /** @description What is left to do after a sign-out. */
        SignedOut: {
            /**
             * Format: uri
             * @description Where the browser ends its session with the identity provider too. It comes back from there to the first page.
             */
            end_session_url: string;
        };
        /** @description The data of a `status` event. */
        StatusData: {
            /** @description Whether somebody has asked for the end of the task; left out when not. */
            cancel_requested?: boolean;
            /** Format: int32 */
            exit_code?: number | null;
            message?: string | null;
            /**
             * Format: int64
             * @description Place in the queue, from 1.
             */
            queue_position?: number | null;
            /** @description One word for the outcome, or for why the task waits. */
            reason?: string | null;
            state: components["schemas"]["TaskState"];
            /**
             * Format: date-time
             * @description When this state was reached.
             */
            ts: string;
        };
        /** @description The state of the task, whenever it changes. The present one comes first. */
        StatusEvent: {
            data: components["schemas"]["StatusData"];
            /** @enum {string} */
            event: "status";
        };
        /** @description One event of the stream of a task. */
        StreamEvent: components["schemas"]["StatusEvent"] | components["schemas"]["LogEvent"] | components["schemas"]["ItemEvent"] | components["schemas"]["GapEvent"] | components["schemas"]["DoneEvent"];
        /** @description A task. */
        Task: {
            /** Format: date-time */
            cancel_requested_at: string | null;
            /** Format: date-time */
            created_at: string;
            /** @description The folder. */
            cwd: string | null;
            /** @description Environment variables; left out when there are none, and in lists. */
            env?: {
                [key: string]: string;
            };
            /**
             * Format: int32
             * @description What Codex ended with, where it ended by itself.
             */
            exit_code: number | null;
            /** Format: date-time */
            finished_at: string | null;
            /**
             * Format: int64
             * @description The number of the last frame of the log; known at the end.
             */
            last_frame: number | null;
            /** @description What happened, and what to do about it. */
            message: string | null;
            model: string | null;
            /** @description Who asked: an email address, or what the `CodexTask` says. */
            owner: string;
            /** @description What Codex shall do; in a list only the beginning. */
            prompt: string;
            /** @description Whether `prompt` is only the beginning; left out when not. */
            prompt_truncated?: boolean;
            /**
             * Format: int64
             * @description Place in the queue, from 1; known while the task waits.
             */
            queue_position?: number | null;
            /** @description One word for the outcome, or for why the task waits. */
            reason: string | null;
            /** @description The name of the repository that it is in. */
            repository: string | null;
            /** @description The name of the `CodexTask`, where it is not the id. */
            resource_name?: string | null;
            /**
             * Format: uuid
             * @description The task whose session it continues; left out when it began a session of its own.
             */
            resume_from?: string | null;
            /** Format: date-time */
            started_at: string | null;
            status: components["schemas"]["TaskState"];
            /** Format: uuid */
            task_id: string;
            /** @description The Codex thread. */
            thread_id: string | null;
            /** Format: int64 */
            timeout_seconds: number | null;
            /** @description Tokens of the thread, as Codex reports them. */
            usage: Record<string, never> | null;
        };
        /** @description A page of tasks. */
        TaskPage: {
            /** Format: int64 */
            limit: number;
            /** @description Leads to the next page; `null` on the last. */
            next_cursor: string | null;
            /** Format: int64 */
            offset: number;
            tasks: components["schemas"]["Task"][];
            /**
             * Format: int64
             * @description How many tasks the filters let through in all, counted up to 10,000.
             */
            total: number;
            /** @description Whether there may be more than `total`; left out when not. */
            total_is_more?: boolean;
        };
        /** @description The body of `POST /api/tasks`. */
        TaskRequest: {
            /** @description Absolute folder inside an allow-listed repository. Without it the default repository is taken, or the only one there is. */
            cwd?: string | null;
            /** @description Environment variables for Codex and its commands: at most 64. Names that steer the sandbox, the loader or git are refused. */
            env?: {
                [key: string]: string;
            };
            /** @description The model. */
            model?: string | null;
            /** @description What Codex shall do: at most 256 KiB of UTF-8, not only white space, no NUL. */
            prompt: string;
            /**
             * Format: uuid
             * @description A finished task of your own whose Codex session this one continues, in the same repository. Without `cwd` and `model` those of
             *     that task are taken. The copy of the repository is a new one: what that task changed is in its patch.
             */
            resume_from?: string | null;
            /**
             * Format: int64
             * @description The time limit, in seconds. Without it that of the repository holds, or an hour.
             */
            timeout_seconds?: number | null;
        };
        /**
         * @description The state of a task.
         * @enum {string}
         */
        TaskState: "queued" | "running" | "completed" | "error" | "canceled";
        /**
         * @description A part of what a user may do. A token has at least one, and never gets further than its user.
         * @enum {string}
         */
        TokenScope: "tasks:read" | "tasks:write" | "admin";
        /** @description The tokens of a session. */
        Tokens: {
            /** @description A JSON Web Token. */
            access_token: string;
            /**
             * Format: int64
             * @description For how many seconds the access token is good.
             */
            expires_in: number;
            /** @description Good for one use. */
            refresh_token: string;
            /** @description `Bearer`. */
            token_type: string;
        };
        /** @description A user. */
        User: {
            /** Format: date-time */
            created_at: string;
            disabled: boolean;
            email: string;
            /** @description Without one the user signs in with another provider. */
            has_password: boolean;
            /** Format: uuid */
            id: string;
            /** Format: date-time */
            last_login_at: string | null;
            role: components["schemas"]["Role"];
        };
        /** @description The body of a change. What is left out stays. */
        UserChange: {
            /** @description Disabling ends sessions, streams and API tokens; tasks go on. */
            disabled?: boolean | null;
            /**
             * Format: password
             * @description Another password ends all sessions.
             */
            password?: string | null;
            role?: null | components["schemas"]["Role"];
        };
        /** @description A user, and what is under way for them. */
        UserDetails: components["schemas"]["User"] & {
            /**
             * Format: int64
             * @description Tasks that have not ended. They go on when the user is disabled; cancel them one by one.
             */
            open_tasks: number;
        };
        /** @description A page of users. */
        UserPage: {
            /** Format: int64 */
            limit: number;
            /** @description Leads to the next page; `null` on the last. */
            next_cursor: string | null;
            /** Format: int64 */
            offset: number;
            /** Format: int64 */
            total: number;
            users: components["schemas"]["User"][];
        };
    };
    responses: {
        /** @description You are no administrator, or the API token is not good for this; `details.scope` names the scope that it lacks. */
        Forbidden: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description A mistake of the gateway; its log says more. */
        Internal: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description A rule is broken, and `details.field` names the field; or the request is not understood. */
        Invalid: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description There is no such thing, or it belongs to somebody else. */
        NotFound: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description The body is longer than the gateway takes. */
        TooLarge: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description Too many requests, logins, tasks or streams; `code` says which. */
        TooMany: {
            headers: {
                /** @description After how many seconds to try again. */
                "Retry-After"?: number;
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description The body of the request did not arrive in time. */
        TooSlow: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description Nobody is signed in, or the token is not good any more. */
        Unauthenticated: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description A store that is needed is away, and `details.store` names it; or the gateway took too long, or is about to stop. */
        Unavailable: {
            headers: {
                /** @description After how many seconds to try again. */
                "Retry-After"?: number;
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description The body is not JSON, or does not say so. */
        UnsupportedMediaType: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description The body is JSON of another form: a field is missing, unknown or of the wrong type. */
        WrongShape: {
            headers: {
                /** @description The id of the request, as in the log. */
                "X-Request-Id"?: string;
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Error"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    get_apple_association: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AppleAppSiteAssociation"];
                };
            };
            /** @description No such app is configured. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_asset_links: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AssetLink"][];
                };
            };
            /** @description No such app is configured. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_jwks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JsonWebKeySet"];
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_audit: {
        parameters: {
            query?: {
                /** @description Only what this actor did: an email address, or the name of a part of the system. */
                actor?: string;
                /** @description Only this action, for example `task.create`. */
                action?: string;
                /** @description Only what was done to this: `task:<id>`, `user:<id>`, `api_token:<id>` or `session:<id>`. */
                target?: string;
                /** @description Only what was done with this: `session:<id>` or `api_token:<id>`. */
                credential?: string;
                /** @description Not older than this. */
                from?: string;
                /** @description Older than this. */
                to?: string;
                /** @description How many entries to answer with. */
                limit?: number;
                /** @description The `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            /** @description You are no administrator. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    export_audit: {
        parameters: {
            query?: {
                /** @description Only what this actor did: an email address, or the name of a part of the system. */
                actor?: string;
                /** @description Only this action, for example `task.create`. */
                action?: string;
                /** @description Only what was done to this: `task:<id>`, `user:<id>`, `api_token:<id>` or `session:<id>`. */
                target?: string;
                /** @description Only what was done with this: `session:<id>` or `api_token:<id>`. */
                credential?: string;
                /** @description Not older than this. */
                from?: string;
                /** @description Older than this. */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            /** @description You are no administrator. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_reference: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html; charset=utf-8": string;
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_reference_style: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/css; charset=utf-8": string;
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    change_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["TooSlow"];
            /** @description You sign in without a password. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_document: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_repositories: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RepositoryList"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_tasks: {
        parameters: {
            query?: {
                /** @description How many of the newest to skip. */
                offset?: number;
                /** @description How many to answer with. */
                limit?: number;
                /** @description Only those in this state. */
                status?: components["schemas"]["TaskState"];
                /** @description Only those whose prompt, repository, owner or id has this text. */
                q?: string;
                /** @description Only those in this repository. */
                repository?: string;
                /** @description Only those that were accepted then or later. */
                from?: string;
                /** @description Only those that were accepted before. */
                to?: string;
                /** @description The `next_cursor` of the page before, instead of `offset`: as fast on the last page as on the first, and not confused by new tasks. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TaskPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    create_task: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters of your choice. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TaskRequest"];
            };
        };
        responses: {
            201: {
                headers: {
                    /** @description `true` when the task had been accepted before. */
                    "Idempotency-Replayed"?: string | null;
                    /** @description The path of the task. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Receipt"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            /** @description `resume_from` is no task of yours. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            408: components["responses"]["TooSlow"];
            /** @description The `Idempotency-Key` was used for another request; or the task of `resume_from` has not ended (`task_not_finished`), or left no session (`no_session`). */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            /** @description The body is JSON of another form; or the task of `resume_from` worked in another repository (`other_repository`). */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_task: {
        parameters: {
            query?: never;
            header?: {
                /** @description An `ETag` that you have: 304 when it is still the present one. */
                "If-None-Match"?: string;
            };
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    /** @description Changes with the task. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Task"];
                };
            };
            /** @description The task is as you know it. */
            304: {
                headers: {
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    cancel_task: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The task has ended: it had not started. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Receipt"];
                };
            };
            /** @description The task is about to end. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Receipt"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            /** @description The task had ended before. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_artifacts: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ArtifactList"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_artifact: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
                /** @description A name from the list. */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                    "text/x-diff; charset=utf-8": string;
                    "application/zstd": number[];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_log: {
        parameters: {
            query?: {
                /** @description `text`: lines; `ndjson`: one object for each line or event, with its number. Without it `Accept` decides, and text is usual. */
                format?: "text" | "ndjson";
                /** @description Only what comes after the frame with this number. */
                after?: number;
                /** @description Only so many of the last lines and events. */
                tail?: number;
            };
            header?: never;
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain; charset=utf-8": string;
                    "application/x-ndjson": string;
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            /** @description `Accept-Encoding` allows nothing that the gateway has. */
            406: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_patch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    /** @description Whether the patch was too long to be kept whole. */
                    "X-Codex-Patch-Truncated"?: boolean;
                    [name: string]: unknown;
                };
                content: {
                    "text/x-diff; charset=utf-8": string;
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    stream_task: {
        parameters: {
            query?: {
                /** @description The `id` of the last event that was received: the stream goes on after it. */
                after?: number;
                /** @description `typed`, unless told: events of Codex as `item`, lines as `log`; `raw`: everything as `log`. */
                view?: "typed" | "raw";
                /** @description `fast`, unless told: events come at most every millisecond, or every 10 ms where many watch; `ui`: every 50 ms. */
                pace?: "fast" | "ui";
            };
            header?: {
                /** @description As `after`, which it overrides: browsers send it when they connect again. */
                "Last-Event-ID"?: number;
            };
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Events; each is a `StreamEvent` whose `data` is JSON in a string. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["ServerSentEvent"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    watch_task: {
        parameters: {
            query?: {
                /** @description The `id` of the last event that was received: the stream goes on after it. */
                after?: number;
                /** @description `typed`, unless told: events of Codex as `item`, lines as `log`; `raw`: everything as `log`. */
                view?: "typed" | "raw";
                /** @description `fast`, unless told: events come at most every millisecond, or every 10 ms where many watch; `ui`: every 50 ms. */
                pace?: "fast" | "ui";
            };
            header?: never;
            path: {
                /** @description The id of a task, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The connection speaks WebSocket; each message is a `StreamEvent`. */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_tokens: {
        parameters: {
            query?: {
                /** @description Whose tokens, for administrators. */
                user_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiTokenList"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    create_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewApiToken"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiTokenWithSecret"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["TooSlow"];
            /** @description You have a token of this name, or as many as a user may. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    delete_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of an API token, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The token is revoked. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_users: {
        parameters: {
            query?: {
                /** @description How many to skip. */
                offset?: number;
                /** @description How many to answer with; 50 without. */
                limit?: number;
                /** @description A part of the address. */
                q?: string;
                /** @description The `next_cursor` of the page before, instead of `offset`: not confused by people who were added or removed in between. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserPage"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    create_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewUser"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            408: components["responses"]["TooSlow"];
            /** @description There is a user with this address already. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    get_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a user, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserDetails"];
                };
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    delete_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a user, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is removed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            /** @description Nobody could administrate any more, or the user has tasks that have not ended. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    update_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The id of a user, in lower case. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserDetails"];
                };
            };
            400: components["responses"]["Invalid"];
            401: components["responses"]["Unauthenticated"];
            403: components["responses"]["Forbidden"];
            404: components["responses"]["NotFound"];
            408: components["responses"]["TooSlow"];
            /** @description Nobody could administrate any more. */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Login"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            400: components["responses"]["Invalid"];
            /** @description Address or password is wrong. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            408: components["responses"]["TooSlow"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RefreshToken"];
            };
        };
        responses: {
            /** @description The session is over here; lead the browser to the address to end it there too. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignedOut"];
                };
            };
            /** @description The session is over. Also for a token that is unknown. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            408: components["responses"]["TooSlow"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    list_methods: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SignInMethods"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    finish_login: {
        parameters: {
            query?: {
                state?: string;
                code?: string;
                error?: string;
                iss?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Back to the client. */
            303: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            /** @description No identity provider is configured. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    exchange_code: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CodeExchange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            400: components["responses"]["Invalid"];
            /** @description The code is not good any more, or somebody else's. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            /** @description No identity provider is configured. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            408: components["responses"]["TooSlow"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    begin_login: {
        parameters: {
            query: {
                /** @description A path of the gateway, or an address that its configuration lists; `/` without. */
                return_to?: string;
                /** @description SHA-256 of a secret of yours, in base64url without padding. */
                challenge: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description To the provider. */
            303: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["Invalid"];
            /** @description No identity provider is configured. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    refresh: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RefreshToken"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tokens"];
                };
            };
            400: components["responses"]["Invalid"];
            /** @description The token is unknown, used, revoked or too old. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Error"];
                };
            };
            408: components["responses"]["TooSlow"];
            413: components["responses"]["TooLarge"];
            415: components["responses"]["UnsupportedMediaType"];
            422: components["responses"]["WrongShape"];
            429: components["responses"]["TooMany"];
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    healthz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text; version=1.0.0; charset=utf-8": string;
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
    readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            500: components["responses"]["Internal"];
            503: components["responses"]["Unavailable"];
        };
    };
}
