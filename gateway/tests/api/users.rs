//! `/api/users` and `/api/me`: administration, and its limits.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::world::{ADMIN, PASSWORD, World};

async fn change(admin: &Client, id: &str, body: Value) -> crate::support::client::Answer {
    admin.patch(&format!("/api/users/{id}"), &body).await
}

async fn try_login(world: &World, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    world.stranger().post("/auth/login", &body).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_add_and_find_users() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let new = json!({ "email": "bob@example.test", "password": PASSWORD });
    assert_eq!(ada.post("/api/users", &new).await.error(), "forbidden");
    let admin = world.admin().await;
    let made = admin.post("/api/users", &new).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["role"], "user");
    assert_eq!(made.body["disabled"], false);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(world.acts(&format!("user:{id}")).await, ["user.create"]);
    let taken = json!({ "email": "ADA@example.test", "password": PASSWORD });
    let answer = admin.post("/api/users", &taken).await;
    assert_eq!((answer.status, answer.error()), (409, "email_taken"));
    let long = format!("{}@example.test", "x".repeat(250));
    for (email, password) in [
        ("nobody", PASSWORD),
        ("a b@c", PASSWORD),
        ("a@b\r\nbcc: c@d", PASSWORD),
        ("a\0@b", PASSWORD),
        (&long, PASSWORD),
        ("c@d", "short"),
        ("c@d", &"x".repeat(1025)),
    ] {
        let answer = admin
            .post(
                "/api/users",
                &json!({ "email": email, "password": password }),
            )
            .await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{email:?}"
        );
    }
    let answer = admin.post("/api/users", &json!({ "email": "c@d" })).await;
    assert_eq!(answer.body["error"]["details"]["field"], "password");

    let page = admin.get("/api/users?limit=2").await.body;
    assert_eq!(
        (
            page["total"].as_i64(),
            page["users"].as_array().unwrap().len()
        ),
        (Some(3), 2)
    );
    let rest = admin.get("/api/users?limit=2&offset=2").await.body;
    assert_eq!(rest["users"].as_array().unwrap().len(), 1);
    // The same by cursor, although somebody came in before the place where the page ended.
    let cursor = page["next_cursor"].as_str().unwrap();
    let between = json!({ "email": "AAA@example.test", "password": PASSWORD });
    assert_eq!(admin.post("/api/users", &between).await.status, 201);
    let next = admin
        .get(&format!("/api/users?limit=2&cursor={cursor}"))
        .await
        .body;
    assert_eq!(next["users"], rest["users"]);
    assert_eq!(
        (&next["next_cursor"], &next["total"]),
        (&Value::Null, &json!(4))
    );
    for bad in ["cursor=x", "cursor=abc", "cursor=61&offset=1"] {
        let answer = admin.get(&format!("/api/users?{bad}")).await;
        assert_eq!(
            (answer.status, &answer.body["error"]["details"]["field"]),
            (400, &json!("cursor")),
            "{bad}"
        );
    }
    // What is no address is a place in the order all the same.
    let anywhere = admin.get("/api/users?cursor=00ff").await;
    assert_eq!(anywhere.status, 200, "{}", anywhere.body);
    let found = admin.get("/api/users?q=BOB@").await.body;
    assert_eq!(
        (&found["total"], &found["users"][0]["id"]),
        (&json!(1), &json!(id))
    );
    assert_eq!(
        admin.get("/api/users?q=%25").await.body["total"],
        0,
        "no pattern"
    );
    for bad in ["limit=0", "limit=201", "offset=-1", "q=%00"] {
        let answer = admin.get(&format!("/api/users?{bad}")).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{bad}"
        );
    }
    assert_eq!(admin.get("/api/users/nobody").await.error(), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_ends_everything_but_tasks() {
    let world = World::start().await;
    let admin = world.admin().await;
    let ada = world.user("ada").await;
    let id = ada.user_id().await;
    let login = json!({ "email": "ada@example.test", "password": PASSWORD });
    let session = world.stranger().post("/auth/login", &login).await.body;
    let program = world.bearer(&ada.api_token(&["tasks:read"]).await);
    let task = world.submitted(&ada).await;
    let mut streams = Vec::new();
    for client in [&ada, &program] {
        let mut stream = client.stream(&task, "", None).await;
        assert_eq!(stream.next().await.unwrap().name, "status");
        streams.push(stream);
    }
    let mut watching = admin.stream(&task, "", None).await;

    let before = std::time::Instant::now();
    let answer = change(&admin, &id, json!({ "disabled": true })).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        (&answer.body["disabled"], &answer.body["open_tasks"]),
        (&json!(true), &json!(1))
    );
    for mut stream in streams {
        assert!(stream.rest().await.iter().all(|event| event.name != "done"));
    }
    // Well before the regular look; the rest is for a machine that is busy.
    assert!(before.elapsed().as_secs() < 9, "{:?}", before.elapsed());
    assert_eq!(ada.get("/api/me").await.status, 401);
    assert_eq!(program.get("/api/me").await.status, 401);
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    assert_eq!(
        world
            .stranger()
            .post("/auth/refresh", &refresh)
            .await
            .status,
        401
    );
    assert_eq!(try_login(&world, "ada@example.test", PASSWORD).await, 401);
    // Nothing was canceled, and whoever else watches goes on.
    assert_eq!(admin.task(&task).await["cancel_requested_at"], Value::Null);
    world.write_lines(&task, 1..=1).await;
    let seen = watching.take_until(|event| event.name == "log").await;
    assert_eq!(seen.last().unwrap().id, Some(1));

    // What ended stays ended when the user may come back.
    assert_eq!(
        change(&admin, &id, json!({ "disabled": false }))
            .await
            .status,
        200
    );
    assert_eq!(ada.get("/api/me").await.status, 401);
    assert_eq!(program.get("/api/me").await.status, 401);
    assert_eq!(
        world
            .stranger()
            .post("/auth/refresh", &refresh)
            .await
            .status,
        401
    );
    assert_eq!(try_login(&world, "ada@example.test", PASSWORD).await, 200);
    let acts = world.acts(&format!("user:{id}")).await;
    assert_eq!(acts, ["user.create", "user.disable", "user.enable"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_always_left() {
    let world = World::start().await;
    let admin = world.admin().await;
    let id = admin.user_id().await;
    for body in [json!({ "role": "user" }), json!({ "disabled": true })] {
        let answer = change(&admin, &id, body).await;
        assert_eq!((answer.status, answer.error()), (409, "last_admin"));
    }
    let answer = admin.delete(&format!("/api/users/{id}")).await;
    assert_eq!((answer.status, answer.error()), (409, "last_admin"));

    // Somebody who is disabled does not count, and two who demote each other at once do not both succeed.
    let ada = world.user("ada").await;
    let ada_id = ada.user_id().await;
    let rise = json!({ "role": "admin", "disabled": true });
    assert_eq!(change(&admin, &ada_id, rise).await.status, 200);
    assert_eq!(
        change(&admin, &id, json!({ "role": "user" })).await.error(),
        "last_admin"
    );
    assert_eq!(
        change(&admin, &ada_id, json!({ "disabled": false }))
            .await
            .status,
        200
    );
    let ada = world.stranger().login("ada@example.test", PASSWORD).await;
    for _ in 0..5 {
        let (one, other) = tokio::join!(
            change(&admin, &ada_id, json!({ "role": "user" })),
            change(&ada, &id, json!({ "role": "user" })),
        );
        // Whoever comes second is refused as last administrator, or because of being none any more.
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert!(
            statuses[0] == 200 && [403, 409].contains(&statuses[1]),
            "{statuses:?}"
        );
        let admins: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE role = 'admin'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(admins, 1);
        sqlx::query("UPDATE users SET role = 'admin'")
            .execute(&world.pool)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_goes_when_the_tasks_are_done_and_the_record_stays() {
    let world = World::start().await;
    let admin = world.admin().await;
    let ada = world.user("ada").await;
    let id = ada.user_id().await;
    let task = world.submitted(&ada).await;
    let path = format!("/api/users/{id}");
    let answer = admin.delete(&path).await;
    assert_eq!(
        (answer.status, answer.error()),
        (409, "user_has_open_tasks")
    );
    assert_eq!(admin.get(&path).await.body["open_tasks"], 1);
    world.finish(&task, 0).await;
    ada.task_in(&task, "completed").await;
    assert_eq!(admin.delete(&path).await.status, 204);
    assert_eq!(ada.get("/api/me").await.status, 401);
    assert_eq!(admin.delete(&path).await.status, 404);
    assert_eq!(admin.task(&task).await["owner"], "ada@example.test");
    assert_eq!(
        world.acts(&format!("user:{id}")).await,
        ["user.create", "user.delete"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_changed_by_their_owners_and_set_by_administrators() {
    let world = World::start().await;
    let email = "ada@example.test";
    let ada = world.user("ada").await;
    let id = ada.user_id().await;
    let elsewhere = world.stranger().login(email, PASSWORD).await;
    let change_own = async |client: &Client, current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        client.post("/api/me/password", &body).await
    };
    let refused = change_own(&ada, "wrong password", "another password").await;
    assert_eq!(
        refused.body["error"]["details"]["field"],
        "current_password"
    );
    let refused = change_own(&ada, PASSWORD, "short").await;
    assert_eq!(refused.body["error"]["details"]["field"], "new_password");
    let changed = change_own(&ada, PASSWORD, "another password").await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let session = world.bearer(changed.body["access_token"].as_str().unwrap());
    assert_eq!(session.get("/api/me").await.status, 200);
    assert_eq!(
        ada.get("/api/me").await.status,
        401,
        "all other sessions end"
    );
    assert_eq!(elsewhere.get("/api/me").await.status, 401);
    assert_eq!(try_login(&world, email, PASSWORD).await, 401);
    assert_eq!(try_login(&world, email, "another password").await, 200);

    let admin = world.admin().await;
    let reset = change(
        &admin,
        &id,
        json!({ "password": "set by an administrator" }),
    )
    .await;
    assert_eq!(reset.status, 200, "{}", reset.body);
    assert_eq!(session.get("/api/me").await.status, 401);
    assert_eq!(
        try_login(&world, email, "set by an administrator").await,
        200
    );
    let acts = world.acts(&format!("user:{id}")).await;
    assert_eq!(
        acts,
        ["user.create", "auth.password_change", "user.password_reset"]
    );

    // Guessing the present password from an open session is slowed down like guessing at the door.
    let mut statuses = Vec::new();
    for turn in 0..6 {
        if turn == 5 {
            world.as_if_guessed_on().await;
        }
        let answer = change_own(&admin, "a guess", "another password").await;
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [400, 400, 400, 400, 400, 429]);
    assert_eq!(try_login(&world, ADMIN, PASSWORD).await, 429);
}
