//! Prints the OpenAPI document of the gateway: `make generate` writes it to `gateway/openapi.json`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(codex_gateway::http::openapi::text().as_bytes())
}
