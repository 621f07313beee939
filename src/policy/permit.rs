//! The proof that a call passed the policy.

/// Something that passed the policy. Only the rules make one for a caller, and what reaches servers on behalf of callers takes nothing else.
#[derive(Debug)]
pub struct Permitted<T>(T);

impl<T> Permitted<T> {
    pub(super) const fn new(permitted: T) -> Self {
        Self(permitted)
    }

    /// For the operator at the command line, who writes the rules and can start the servers without this program.
    pub const fn to_operator(asked: T) -> Self {
        Self(asked)
    }

    /// What was permitted, to look at.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was permitted.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The same in another form.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Permitted<U> {
        Permitted(form(self.0))
    }
}
