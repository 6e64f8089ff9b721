//! The document as one page of HTML, made on the server: the policy of the gateway's pages allows no script from elsewhere, and a page that
//! lists things needs none at all.

use std::fmt::Write as _;

use serde_json::Value;

/// The page.
#[must_use]
pub fn page() -> String {
    let document = serde_json::to_value(super::document()).expect("the document always serializes");
    let mut page = Page::default();
    page.render(&document);
    page.html
}

#[derive(Default)]
struct Page {
    html: String,
}

impl Page {
    fn render(&mut self, document: &Value) {
        let title = text(&document["info"]["title"]);
        self.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        self.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
        self.tag("title", title);
        self.raw("<link rel=\"stylesheet\" href=\"/api/docs/style.css\"></head><body>");
        self.raw("<header>");
        self.tag("h1", title);
        self.prose(text(&document["info"]["description"]));
        self.raw("<p><a href=\"/api/openapi.json\">openapi.json</a></p></header><main>");
        for tag in items(&document["tags"]) {
            self.section(document, tag);
        }
        self.raw("<section id=\"errors\"><h2>Shared errors</h2>");
        for (name, response) in entries(&document["components"]["responses"]) {
            let _ = write!(self.html, "<h3 id=\"response-{}\">", escape(name));
            let _ = write!(self.html, "{}</h3>", escape(name));
            self.prose(text(&response["description"]));
        }
        self.raw("</section><section id=\"schemas\"><h2>Schemas</h2>");
        for (name, schema) in entries(&document["components"]["schemas"]) {
            let _ = write!(self.html, "<h3 id=\"schema-{0}\">{0}</h3>", escape(name));
            self.prose(text(&schema["description"]));
            self.schema(schema);
        }
        self.raw("</section></main></body></html>\n");
    }

    fn section(&mut self, document: &Value, tag: &Value) {
        self.raw("<section>");
        self.tag("h2", text(&tag["name"]));
        self.prose(text(&tag["description"]));
        for (path, item) in entries(&document["paths"]) {
            for (method, operation) in entries(item) {
                if items(&operation["tags"]).any(|name| name == &tag["name"]) {
                    self.operation(method, path, operation);
                }
            }
        }
        self.raw("</section>");
    }

    fn operation(&mut self, method: &str, path: &str, operation: &Value) {
        let _ = write!(
            self.html,
            "<details id=\"{id}\"><summary><code class=\"method\">{method}</code> <code>{path}</code> {summary}</summary>",
            id = escape(text(&operation["operationId"])),
            method = escape(&method.to_uppercase()),
            path = escape(path),
            summary = escape(text(&operation["summary"])),
        );
        self.prose(text(&operation["description"]));
        if operation["security"].is_array() {
            self.tag("p", "Needs a sign-in.");
        }
        let parameters: Vec<_> = items(&operation["parameters"]).collect();
        if !parameters.is_empty() {
            self.raw("<table><thead><tr><th>Parameter</th><th>In</th><th>Form</th><th></th></tr></thead><tbody>");
            for parameter in parameters {
                self.raw("<tr>");
                self.cell(&code(text(&parameter["name"])));
                self.cell(&escape(text(&parameter["in"])));
                self.cell(&form(&parameter["schema"]));
                self.cell(&escape(text(&parameter["description"])));
                self.raw("</tr>");
            }
            self.raw("</tbody></table>");
        }
        for (content_type, content) in entries(&operation["requestBody"]["content"]) {
            let form = form(&content["schema"]);
            let _ = write!(self.html, "<p>Body: {} {form}</p>", code(content_type));
        }
        self.raw("<table><thead><tr><th>Status</th><th>Body</th><th></th></tr></thead><tbody>");
        for (status, response) in entries(&operation["responses"]) {
            self.raw("<tr>");
            self.cell(&code(status));
            match response["$ref"].as_str() {
                Some(reference) => {
                    self.cell(&form(
                        &serde_json::json!({ "$ref": "#/components/schemas/Error" }),
                    ));
                    let name = last(reference);
                    self.cell(&format!("<a href=\"#response-{0}\">{0}</a>", escape(name)));
                }
                None => {
                    let bodies: Vec<_> = entries(&response["content"])
                        .map(|(kind, content)| {
                            format!("{} {}", code(kind), form(&content["schema"]))
                        })
                        .collect();
                    self.cell(&bodies.join("<br>"));
                    self.cell(&escape(text(&response["description"])));
                }
            }
            self.raw("</tr>");
        }
        self.raw("</tbody></table></details>");
    }

    fn schema(&mut self, schema: &Value) {
        let required: Vec<_> = items(&schema["required"]).collect();
        if !schema["properties"].is_object() {
            let _ = write!(self.html, "<p>{}</p>", form(schema));
            return;
        }
        self.raw("<table><thead><tr><th>Field</th><th>Form</th><th></th></tr></thead><tbody>");
        for (name, property) in entries(&schema["properties"]) {
            let optional = if required.iter().any(|it| it.as_str() == Some(name)) {
                ""
            } else {
                "?"
            };
            self.raw("<tr>");
            self.cell(&format!("{}{optional}", code(name)));
            self.cell(&form(property));
            self.cell(&escape(text(&property["description"])));
            self.raw("</tr>");
        }
        self.raw("</tbody></table>");
    }

    fn raw(&mut self, html: &str) {
        self.html.push_str(html);
    }

    fn tag(&mut self, tag: &str, text: &str) {
        let _ = write!(self.html, "<{tag}>{}</{tag}>", escape(text));
    }

    fn prose(&mut self, text: &str) {
        if !text.is_empty() {
            self.tag("p", text);
        }
    }

    fn cell(&mut self, html: &str) {
        let _ = write!(self.html, "<td>{html}</td>");
    }
}

/// A schema in a few words: its type, its bounds, or a link to its name.
fn form(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escape(last(reference)));
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if schema[key].is_array() {
            let forms: Vec<_> = items(&schema[key]).map(form).collect();
            return forms.join(" | ");
        }
    }
    if schema["enum"].is_array() {
        let values: Vec<_> = items(&schema["enum"]).map(|it| code(text(it))).collect();
        return values.join(" | ");
    }
    let mut words = match &schema["type"] {
        Value::Array(types) => types.iter().map(text).collect::<Vec<_>>().join(" | "),
        other => text(other).to_owned(),
    };
    if schema["type"] == "array" {
        return format!("array of {}", form(&schema["items"]));
    }
    if let Some(format) = schema["format"].as_str() {
        let _ = write!(words, " ({format})");
    }
    for (key, name) in [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "characters, at least"),
        ("maxLength", "characters, at most"),
    ] {
        if !schema[key].is_null() {
            let _ = write!(words, ", {name} {}", schema[key]);
        }
    }
    escape(&words)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let map = value.as_object().into_iter().flatten();
    map.map(|(key, value)| (key.as_str(), value))
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_operation_and_schema_is_on_the_page_and_every_link_leads_somewhere() {
        let page = super::page();
        let document = serde_json::to_value(super::super::document()).unwrap();
        for (path, item) in super::entries(&document["paths"]) {
            for (method, operation) in super::entries(item) {
                let id = operation["operationId"].as_str().unwrap();
                assert!(page.contains(&format!("id=\"{id}\"")), "{method} {path}");
            }
        }
        for (name, _) in super::entries(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
        for link in page.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
        assert!(!page.contains("<script") && !page.contains("style="));
    }

    #[test]
    fn text_is_no_markup() {
        assert_eq!(
            super::escape("<a b=\"c\">&"),
            "&lt;a b=&quot;c&quot;&gt;&amp;"
        );
    }
}
