//! A task for each namespace, which together keep a picture.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{
    ask::Ask,
    board::Board,
    follow::follow,
    picture::{Picture, Scope},
    service::Service,
    settings::ClusterSettings,
};

/// Keeps a picture of the Services. Dropped, it stops.
#[derive(Debug)]
pub struct Finder {
    picture: watch::Receiver<Arc<Picture>>,
    _following: JoinSet<()>,
}

impl Finder {
    /// Begins. `known` is what was known before: each namespace's part of it stays until that is heard of.
    ///
    /// Must be called in a runtime.
    pub fn start(settings: &ClusterSettings, known: &[Service]) -> Self {
        let namespaces = &settings.namespaces;
        let named = namespaces.iter().cloned().map(Some);
        let all: Vec<Option<String>> = if namespaces.is_empty() { vec![None] } else { named.collect() };
        let scopes = all.iter().map(|namespace| {
            let of = |service: &&Service| namespace.as_ref().is_none_or(|name| service.id.namespace == *name);
            Scope::of(known.iter().filter(of).cloned(), settings.max_servers)
        });
        let board = Board::new(scopes.collect());
        let mut following = JoinSet::new();
        for (place, namespace) in all.into_iter().enumerate() {
            following.spawn(follow(Ask::new(settings.clone(), namespace), place, board.clone()));
        }
        Self { picture: board.picture(), _following: following }
    }

    /// Waits until every namespace was heard of, or cannot be for now; not for longer than `patience`.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn first(&mut self, patience: Duration) {
        let _ = timeout(patience, self.picture.wait_for(|picture| picture.awaited == 0)).await;
    }

    /// Ready when there is another picture than the last that was taken.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn changed(&mut self) {
        if self.picture.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The picture.
    pub fn picture(&mut self) -> Arc<Picture> {
        self.picture.borrow_and_update().clone()
    }
}
