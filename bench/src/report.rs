//! The results as Markdown.

use std::fmt::Write as _;

use crate::stats::{Summary, number};

/// What a number should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("at least {}", number(least)),
            Self::AtMost(most) => format!("at most {}", number(most)),
        }
    }
}

/// The results of one benchmark.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// What was done, and what has to be known to read the table.
    pub(crate) notes: Vec<String>,
    pub(crate) header: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) goals: Vec<String>,
}

impl Section {
    /// Compares the median with its target. Without a value nothing is said.
    pub(crate) fn goal(&mut self, what: &str, value: Option<Summary>, target: Target) {
        let Some(value) = value else { return };
        let verdict = if target.is_met(value.median) {
            "met"
        } else {
            "**missed**"
        };
        self.goals.push(format!(
            "| {what} | {value} | {} | {verdict} |",
            target.text()
        ));
    }

    /// Tells a ratio that has no target. Without a value nothing is said.
    pub(crate) fn ratio(&mut self, what: &str, value: Option<Summary>) {
        if let Some(value) = value {
            self.goals.push(format!("| {what} | {value} | - | |"));
        }
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("## {}\n\n", self.title);
        for note in &self.notes {
            let _ = writeln!(out, "{note}\n");
        }
        if !self.rows.is_empty() {
            let _ = writeln!(out, "| {} |", self.header.join(" | "));
            let _ = writeln!(out, "|{}", "---|".repeat(self.header.len()));
            for row in &self.rows {
                let _ = writeln!(out, "| {} |", row.join(" | "));
            }
            out.push('\n');
        }
        if !self.goals.is_empty() {
            out.push_str(
                "| ratio or limit | median (range over rounds) | target | |\n|---|---|---|---|\n",
            );
            for goal in &self.goals {
                let _ = writeln!(out, "{goal}");
            }
            out.push('\n');
        }
        out
    }
}

/// A summary of numbers, or a dash.
pub(crate) fn cell(numbers: &[f64]) -> String {
    Summary::of(numbers).map_or_else(|| "-".into(), |summary| summary.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_say_whether_targets_are_met() {
        let mut section = Section {
            title: "T".into(),
            notes: vec!["N".into()],
            header: vec!["a", "b"],
            rows: vec![vec!["1".into(), cell(&[])]],
            ..Section::default()
        };
        section.goal("x", Summary::of(&[2.0]), Target::AtLeast(2.0));
        section.goal("y", Summary::of(&[2.0]), Target::AtMost(1.0));
        section.goal("z", None, Target::AtMost(1.0));
        let text = section.markdown();
        assert!(text.starts_with("## T\n\nN\n\n| a | b |\n|---|---|\n| 1 | - |\n"));
        assert!(text.contains("| x | 2.00 | at least 2.00 | met |"));
        assert!(text.contains("| y | 2.00 | at most 1.00 | **missed** |"));
        assert!(!text.contains("| z |"));
    }
}
