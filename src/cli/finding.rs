//! What `myelin doctor` finds: for people, for programs, and as an exit code.

use serde_json::{Value as Json, json};

use super::terminal::{DIM, ERROR, GOOD, HINT, WARNING, plain_line};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    Good,
    Warning,
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    /// What was looked at.
    pub(super) about: String,
    /// What was found.
    pub(super) what: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn good(about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { grade: Grade::Good, about: about.into(), what: what.into(), advice: None }
    }

    pub(super) fn warning(about: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, advice: Some(advice.into()), ..Self::good(about, what) }
    }

    pub(super) fn problem(about: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { grade: Grade::Problem, advice: Some(advice.into()), ..Self::good(about, what) }
    }

    /// For programs.
    pub(super) fn json(&self) -> Json {
        let grade = match self.grade {
            Grade::Good => "ok",
            Grade::Warning => "warning",
            Grade::Problem => "problem",
        };
        json!({ "grade": grade, "about": self.about, "what": self.what, "advice": self.advice })
    }

    /// For people: a line, and what to do below it.
    pub(super) fn lines(&self) -> String {
        let (style, word) = match self.grade {
            Grade::Good => (GOOD, "ok     "),
            Grade::Warning => (WARNING, "warning"),
            Grade::Problem => (ERROR, "problem"),
        };
        let (about, what) = (plain_line(&self.about), plain_line(&self.what));
        let advice = self.advice.as_deref().map(|advice| format!("         {HINT}{}{HINT:#}\n", plain_line(advice)));
        format!("{style}{word}{style:#}  {DIM}{about}:{DIM:#} {what}\n{}", advice.unwrap_or_default())
    }
}
