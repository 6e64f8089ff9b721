//! `/api/users`: administrators add, change and remove people.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::database::administration::{self, Change, Changed, Deleted, Query};
use crate::database::audit::Action;
use crate::database::users::{self, NewUser, Role};
use crate::http::envelope::{ApiError, Envelope, password_error};
use crate::http::extract::{Body, NO_USER, Parameters, UserId, bounded, plain_text};
use crate::http::identity::Identity;
use crate::streams::encode::rfc3339;
use crate::tasks::validate::Invalid;

/// The most users that one page of a list has.
const MAX_LIMIT: i64 = 200;

/// The body of a new user.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
pub struct Create {
    #[schema(format = Email, min_length = 3, max_length = 254)]
    email: String,
    /// May be left out for somebody who signs in with another provider.
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 1024)]
    password: Option<SecretString>,
    #[serde(default)]
    role: Role,
}

/// The body of a change. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserChange)]
#[serde(deny_unknown_fields)]
pub struct Update {
    role: Option<Role>,
    /// Disabling ends sessions, streams and API tokens; tasks go on.
    disabled: Option<bool>,
    /// Another password ends all sessions.
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 1024)]
    password: Option<SecretString>,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub struct User {
    #[schema(format = Uuid)]
    id: String,
    email: String,
    role: Role,
    disabled: bool,
    /// Without one the user signs in with another provider.
    has_password: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required, format = DateTime)]
    last_login_at: Option<String>,
}

/// A user, and what is under way for them.
#[derive(Serialize, ToSchema)]
pub struct UserDetails {
    #[serde(flatten)]
    user: User,
    /// Tasks that have not ended. They go on when the user is disabled; cancel them one by one.
    open_tasks: i64,
}

/// A page of users.
#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
pub struct Page {
    users: Vec<User>,
    total: i64,
    offset: i64,
    limit: i64,
    /// Leads to the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The query of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// How many to skip.
    #[param(minimum = 0, maximum = 4_294_967_295_i64)]
    offset: Option<i64>,
    /// How many to answer with; 50 without.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// A part of the address.
    #[param(max_length = 1000)]
    q: Option<String>,
    /// The `next_cursor` of the page before, instead of `offset`: not confused by people who were added or removed in between.
    #[param(pattern = "^([0-9a-f]{2}){0,1000}$")]
    cursor: Option<String>,
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        Self {
            id: user.id.to_string(),
            has_password: user.password_hash.is_some(),
            email: user.email,
            role: user.role,
            disabled: user.disabled,
            created_at: rfc3339(user.created_at),
            last_login_at: user.last_login_at.map(rfc3339),
        }
    }
}

/// `GET /api/users`, by address.
///
/// # Errors
/// 400 for a parameter that is out of bounds, and 403.
#[utoipa::path(
    get,
    path = "/api/users",
    tag = "users",
    security(("bearer" = [])),
    summary = "List users, by address",
    description = "For administrators.",
    params(ListQuery),
    responses(
        (status = 200, body = Page),
    ),
)]
pub async fn list_users(
    State(app): State<Arc<App>>,
    identity: Identity,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Page>, ApiError> {
    identity.require_admin()?;
    let offset = bounded("offset", query.offset.unwrap_or(0), 0, i64::from(u32::MAX))?;
    let limit = bounded("limit", query.limit.unwrap_or(50), 1, MAX_LIMIT)?;
    let text = plain_text("q", query.q)?;
    let cursor = query.cursor.filter(|text| !text.is_empty());
    let after = cursor.as_deref().map(address_of).transpose()?;
    if after.is_some() && offset > 0 {
        return Err(Invalid {
            field: "cursor",
            message: "cursor and offset are two ways to page; use one of them".to_owned(),
        }
        .into());
    }
    let query = Query {
        text,
        after,
        offset,
        limit,
    };
    let (rows, total) = administration::list(&app.pool, &query).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next_cursor = rows
        .last()
        .filter(|_| is_full)
        .map(|user| hex::encode(&user.email));
    Ok(Json(Page {
        next_cursor,
        users: rows.into_iter().map(User::from).collect(),
        total,
        offset,
        limit,
    }))
}

/// The address that a page ended with. What is no address is still a place in the order.
fn address_of(cursor: &str) -> Result<String, Invalid> {
    let bytes = hex::decode(cursor).map_err(|_| Invalid {
        field: "cursor",
        message: "cursor must be the next_cursor of the page before".to_owned(),
    })?;
    // Text in PostgreSQL has no NUL.
    Ok(String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"))
}

/// `POST /api/users`
///
/// # Errors
/// 400, 403, and 409 when the address is taken.
#[utoipa::path(
    post,
    path = "/api/users",
    tag = "users",
    security(("bearer" = [])),
    summary = "Add a user",
    description = "For administrators.",
    request_body = Create,
    responses(
        (status = 201, body = User),
        (status = 409, description = "There is a user with this address already.", body = Envelope<'_>),
    ),
)]
pub async fn create_user(
    State(app): State<Arc<App>>,
    identity: Identity,
    Body(body): Body<Create>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    identity.require_admin()?;
    let email = body.email.trim();
    check_email(email)?;
    if body.password.is_none() && app.oidc.is_none() {
        return Err(Invalid {
            field: "password",
            message: "a user needs a password, because there is no other way to sign in".to_owned(),
        }
        .into());
    }
    let hash = hashed(&app, body.password).await?;
    let new = NewUser {
        email,
        password_hash: hash.as_deref(),
        role: body.role,
    };
    let mut transaction = app.pool.begin().await?;
    let actor = identity.actor();
    match users::create(&mut transaction, &actor, Action::UserCreated, &new).await {
        Ok(user) => {
            transaction.commit().await?;
            Ok((StatusCode::CREATED, Json(user.into())))
        }
        Err(error) if is_taken(&error) => Err(ApiError::Conflict {
            code: "email_taken",
            message: "there is a user with this email already".to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// `GET /api/users/{id}`
///
/// # Errors
/// 403 and 404.
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    tag = "users",
    security(("bearer" = [])),
    summary = "Look at a user",
    description = "For administrators.",
    params(UserId),
    responses(
        (status = 200, body = UserDetails),
    ),
)]
pub async fn get_user(
    State(app): State<Arc<App>>,
    identity: Identity,
    UserId(id): UserId,
) -> Result<Json<UserDetails>, ApiError> {
    identity.require_admin()?;
    let user = users::find(&app.pool, id).await?.ok_or(NO_USER)?;
    let open_tasks = administration::open_tasks(&app.pool, id).await?;
    Ok(Json(UserDetails {
        user: user.into(),
        open_tasks,
    }))
}

/// `PATCH /api/users/{id}`: another role, disabled or not, another password.
///
/// # Errors
/// 400, 403, 404, and 409 when nobody could administrate any more.
#[utoipa::path(
    patch,
    path = "/api/users/{id}",
    tag = "users",
    security(("bearer" = [])),
    summary = "Change a user",
    description = "For administrators. What is left out stays. Tasks of a user who is disabled go on, and `open_tasks` says how many there are.",
    params(UserId),
    request_body = Update,
    responses(
        (status = 200, body = UserDetails),
        (status = 409, description = "Nobody could administrate any more.", body = Envelope<'_>),
    ),
)]
pub async fn update_user(
    State(app): State<Arc<App>>,
    identity: Identity,
    UserId(id): UserId,
    Body(body): Body<Update>,
) -> Result<Json<UserDetails>, ApiError> {
    identity.require_admin()?;
    let change = Change {
        role: body.role,
        disabled: body.disabled,
        password_hash: hashed(&app, body.password).await?,
    };
    match administration::change(&app.pool, &identity.actor(), id, &change).await? {
        Changed::Done(user, open_tasks) => Ok(Json(UserDetails {
            user: (*user).into(),
            open_tasks,
        })),
        Changed::NotFound => Err(NO_USER),
        Changed::LastAdmin => Err(last_admin()),
    }
}

/// `DELETE /api/users/{id}`. The record of the user's tasks stays, for administrators.
///
/// # Errors
/// 403, 404, and 409 when nobody could administrate any more, or while the user has tasks that have not ended.
#[utoipa::path(
    delete,
    path = "/api/users/{id}",
    tag = "users",
    security(("bearer" = [])),
    summary = "Remove a user",
    description = "For administrators. The record of the tasks stays.",
    params(UserId),
    responses(
        (status = 204, description = "The user is removed."),
        (status = 409, description = "Nobody could administrate any more, or the user has tasks that have not ended.", body = Envelope<'_>),
    ),
)]
pub async fn delete_user(
    State(app): State<Arc<App>>,
    identity: Identity,
    UserId(id): UserId,
) -> Result<StatusCode, ApiError> {
    identity.require_admin()?;
    match administration::delete(&app.pool, &identity.actor(), id).await? {
        Deleted::Done => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(NO_USER),
        Deleted::LastAdmin => Err(last_admin()),
        Deleted::HasOpenTasks(count) => Err(ApiError::Conflict {
            code: "user_has_open_tasks",
            message: format!(
                "{count} tasks of this user have not ended; disable the user, and cancel the tasks or wait for them"
            ),
        }),
    }
}

async fn hashed(app: &App, password: Option<SecretString>) -> Result<Option<String>, ApiError> {
    let Some(password) = password else {
        return Ok(None);
    };
    let hash = app.passwords.hash(password).await;
    hash.map(Some)
        .map_err(|error| password_error("password", &error))
}

fn last_admin() -> ApiError {
    ApiError::Conflict {
        code: "last_admin",
        message: "this is the last administrator; make somebody else one first".to_owned(),
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.constraint() == Some("users_email_key"))
}

/// Only a message to the address shows whether it works; this keeps out what cannot be one.
pub(crate) fn check_email(email: &str) -> Result<(), Invalid> {
    let plausible = email.len() <= 254
        && email.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@')
        })
        && !email
            .chars()
            .any(|character| character.is_whitespace() || character.is_control());
    if plausible {
        return Ok(());
    }
    Err(Invalid {
        field: "email",
        message: "email must look like name@host, with at most 254 bytes".to_owned(),
    })
}
