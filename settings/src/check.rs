//! What depends on several settings.

use std::any::Any;

use clap::ArgMatches;

use crate::declared::Declared;
use crate::read::Found;

/// The settings of a program as far as they are right by themselves, and where to tell what is wrong with them together. Settings are
/// named after their fields.
pub struct Check<'a> {
    pub(crate) settings: &'a [Declared],
    pub(crate) found: &'a Found,
    /// Those that are right, defaults among them.
    pub(crate) matches: &'a ArgMatches,
    pub(crate) problems: &'a mut Vec<String>,
}

impl Check<'_> {
    /// Tells that something is wrong. The text names the settings and must not hold a secret.
    pub fn refuse(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// The value of a setting: nothing when there is none, or when it is wrong and that was told already.
    #[must_use]
    pub fn get<T: Any + Clone + Send + Sync>(&self, id: &str) -> Option<&T> {
        let value = self.matches.try_get_one(id);
        debug_assert!(value.is_ok(), "{id} is no setting, or of another type");
        value.ok().flatten()
    }

    /// Whether somebody has set it, to something right or wrong, or to a file.
    #[must_use]
    pub fn is_set(&self, id: &str) -> bool {
        let file = self.setting(id).and_then(|setting| setting.file.as_ref());
        self.found.is_set(id) || file.is_some_and(|file| self.found.is_set(&file.id))
    }

    /// What to call it in a message: the variable, or the option where it was that.
    #[must_use]
    pub fn name(&self, id: &str) -> String {
        let Some(setting) = self.setting(id) else {
            debug_assert!(false, "there is no setting {id}");
            return id.to_owned();
        };
        let file = setting.file.as_ref();
        match file.filter(|file| self.found.is_set(&file.id) && !self.found.is_set(id)) {
            Some(file) => self.name(&file.id),
            None => self.found.name(setting),
        }
    }

    /// One of these has to be set, and no more. A secret stands for its file too.
    pub fn exactly_one(&mut self, ids: &[&str]) {
        if !ids.iter().any(|id| self.is_set(id)) {
            let mut names = Vec::new();
            for setting in ids.iter().filter_map(|id| self.setting(id)) {
                names.push(setting.variable.clone());
                let file = setting.file.as_ref();
                let file = file.and_then(|file| self.setting(&file.id));
                names.extend(file.map(|file| file.variable.clone()));
            }
            let names = names.join(" or ");
            self.refuse(format!("one of these has to be set: {names}"));
        }
        self.at_most_one(ids);
    }

    /// These exclude each other.
    pub fn at_most_one(&mut self, ids: &[&str]) {
        let set: Vec<String> = ids
            .iter()
            .filter(|id| self.is_set(id))
            .map(|id| self.name(id))
            .collect();
        if set.len() > 1 {
            let names = set.join(" and ");
            self.refuse(format!("{names} exclude each other; keep one of them"));
        }
    }

    /// The first makes no sense without the others.
    pub fn needs(&mut self, id: &str, others: &[&str]) {
        if !self.is_set(id) {
            return;
        }
        let missing = others.iter().filter(|other| !self.is_set(other));
        let problems: Vec<String> = missing
            .map(|other| {
                let (name, other) = (self.name(id), self.name(other));
                format!("{name} needs {other}, which is not set")
            })
            .collect();
        self.problems.extend(problems);
    }

    /// The first, a number, must not be above the second. One that is left at its default is as large as the other lets it be.
    pub fn ordered<T: Any + Clone + Send + Sync + PartialOrd + std::fmt::Display>(
        &mut self,
        low: &str,
        high: &str,
    ) {
        if let (Some(one), Some(other)) = (self.get::<T>(low), self.get::<T>(high))
            && self.is_set(low)
            && self.is_set(high)
            && one > other
        {
            let problem = format!(
                "{} is {one}, which is more than {} with {other}",
                self.name(low),
                self.name(high)
            );
            self.problems.push(problem);
        }
    }

    fn setting(&self, id: &str) -> Option<&Declared> {
        self.settings.iter().find(|setting| setting.id == id)
    }
}
