//! Prints the definitions of the custom resources as YAML, for `kubectl apply -f -` and for the chart.

use std::io::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for definition in codex_crds::definitions() {
        writeln!(out, "---")?;
        out.write_all(serde_norway::to_string(&definition)?.as_bytes())?;
    }
    Ok(())
}
