//! What every operation has in common: how to sign in, and the errors that come from what goes around the handlers.

use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Schema};

/// The name of the security scheme.
const BEARER: &str = "bearer";

/// An error that many operations share: its status, its name among the components, and what it means.
struct Shared {
    status: &'static str,
    name: &'static str,
    meaning: &'static str,
    retry_after: bool,
    applies: fn(&Traits) -> bool,
}

/// What decides which errors an operation has.
struct Traits {
    signed_in: bool,
    limited: bool,
    body: bool,
    input: bool,
    names_something: bool,
}

const SHARED: [Shared; 11] = [
    Shared {
        status: "400",
        name: "Invalid",
        meaning: "A rule is broken, and `details.field` names the field; or the request is not understood.",
        retry_after: false,
        applies: |it| it.input || it.body,
    },
    Shared {
        status: "401",
        name: "Unauthenticated",
        meaning: "Nobody is signed in, or the token is not good any more.",
        retry_after: false,
        applies: |it| it.signed_in,
    },
    Shared {
        status: "403",
        name: "Forbidden",
        meaning: "You are no administrator, or the API token is not good for this; `details.scope` names the scope that it lacks.",
        retry_after: false,
        applies: |it| it.signed_in,
    },
    Shared {
        status: "404",
        name: "NotFound",
        meaning: "There is no such thing, or it belongs to somebody else.",
        retry_after: false,
        applies: |it| it.names_something,
    },
    Shared {
        status: "408",
        name: "TooSlow",
        meaning: "The body of the request did not arrive in time.",
        retry_after: false,
        applies: |it| it.body,
    },
    Shared {
        status: "413",
        name: "TooLarge",
        meaning: "The body is longer than the gateway takes.",
        retry_after: false,
        applies: |it| it.body,
    },
    Shared {
        status: "415",
        name: "UnsupportedMediaType",
        meaning: "The body is not JSON, or does not say so.",
        retry_after: false,
        applies: |it| it.body,
    },
    Shared {
        status: "422",
        name: "WrongShape",
        meaning: "The body is JSON of another form: a field is missing, unknown or of the wrong type.",
        retry_after: false,
        applies: |it| it.body,
    },
    Shared {
        status: "429",
        name: "TooMany",
        meaning: "Too many requests, logins, tasks or streams; `code` says which.",
        retry_after: true,
        applies: |it| it.limited,
    },
    Shared {
        status: "500",
        name: "Internal",
        meaning: "A mistake of the gateway; its log says more.",
        retry_after: false,
        applies: |_| true,
    },
    Shared {
        status: "503",
        name: "Unavailable",
        meaning: "A store that is needed is away, and `details.store` names it; or the gateway took too long, or is about to stop.",
        retry_after: true,
        applies: |_| true,
    },
];

/// Adds the security scheme and the shared errors.
pub struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        let components = document
            .components
            .get_or_insert_with(|| ComponentsBuilder::new().build());
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An access token of `POST /auth/login`, or an API token.",
            ))
            .build();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        for shared in SHARED {
            components
                .responses
                .insert(shared.name.to_owned(), response(&shared).into());
        }
        for (path, item) in &mut document.paths.paths {
            let operations = [
                &mut item.get,
                &mut item.post,
                &mut item.put,
                &mut item.patch,
                &mut item.delete,
            ];
            for operation in operations.into_iter().flatten() {
                add_errors(path, operation);
            }
        }
    }
}

fn add_errors(path: &str, operation: &mut Operation) {
    // The part of the comment that is for readers of the code.
    if let Some(text) = operation.description.take() {
        let text = text.split("# Errors").next().unwrap_or_default().trim();
        operation.description = (!text.is_empty()).then(|| text.to_owned());
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
            not_null(&mut schema.schema_type);
        }
    }
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let is_path = |parameter: &ParameterIn| matches!(parameter, ParameterIn::Path);
    let traits = Traits {
        signed_in: operation.security.is_some(),
        limited: operation.security.is_some() || path.starts_with("/auth/"),
        body: operation.request_body.is_some(),
        input: parameters.iter().any(|it| !is_path(&it.parameter_in)),
        names_something: parameters.iter().any(|it| is_path(&it.parameter_in)),
    };
    let responses = &mut operation.responses.responses;
    for shared in SHARED {
        if (shared.applies)(&traits) {
            responses
                .entry(shared.status.to_owned())
                .or_insert_with(|| RefOr::Ref(Ref::from_response_name(shared.name)));
        }
    }
}

/// A header or a parameter of a query may be left out, but it has no way to be null.
fn not_null(schema_type: &mut SchemaType) {
    if let SchemaType::Array(types) = schema_type {
        types.retain(|it| *it != Type::Null);
        if let [only] = types.as_slice() {
            *schema_type = SchemaType::Type(only.clone());
        }
    }
}

fn response(shared: &Shared) -> Response {
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    let mut response = ResponseBuilder::new()
        .description(shared.meaning)
        .content(
            "application/json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Error")))
                .build(),
        )
        .header(
            "X-Request-Id",
            HeaderBuilder::new()
                .schema(text())
                .description(Some("The id of the request, as in the log."))
                .build(),
        );
    if shared.retry_after {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
        response = response.header(
            "Retry-After",
            HeaderBuilder::new()
                .schema(seconds)
                .description(Some("After how many seconds to try again."))
                .build(),
        );
    }
    response.build()
}
