//! The parameters of a request with their members found, those of `_meta` as well: a codec on each side and what lies between look at both.

use std::sync::Arc;

use crate::jsonrpc::{Object, Raw};

/// The parameters of a request. Clones share what was found.
#[derive(Clone, Debug, Default)]
pub struct Params(Arc<Found>);

#[derive(Debug, Default)]
struct Found {
    object: Object,
    own_meta: Option<Object>,
}

impl Params {
    /// Parameters that were read: `own_meta` is their `_meta`, where they have one that is an object.
    pub fn new(object: Object, own_meta: Option<Object>) -> Self {
        Self(Arc::new(Found { object, own_meta }))
    }

    /// Reads parameters. What is no object counts as an empty one.
    pub fn of(raw: Option<&Raw>) -> Self {
        raw.and_then(|raw| raw.object().ok()).map(Self::of_object).unwrap_or_default()
    }

    fn of_object(object: Object) -> Self {
        let own_meta = object.get("_meta").and_then(|own_meta| own_meta.object().ok());
        Self::new(object, own_meta)
    }

    /// Their members.
    pub fn object(&self) -> &Object {
        &self.0.object
    }

    /// The members of their `_meta`, where they have one.
    pub fn own_meta(&self) -> Option<&Object> {
        self.0.own_meta.as_ref()
    }

    /// The parameters as they came.
    pub fn raw(&self) -> &Raw {
        self.0.object.raw()
    }

    /// The same with another `_meta`.
    #[must_use]
    pub fn with_meta(&self, own_meta: Raw) -> Self {
        Self::of(Some(&self.object().edit().set("_meta", own_meta).finish()))
    }
}
