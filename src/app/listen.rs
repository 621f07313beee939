//! Subscriptions: the changes of all servers behind an endpoint, and of the endpoint itself, on one stream.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    clock,
    jsonrpc::Raw,
    mcp::{Call, Caller, Event, Filter, ListKind, Notice, Outcome, Stage},
    policy::Subject,
    upstream::settings::Start,
};

use super::{
    connect::is_unconnected,
    endpoint::{Endpoint, Member},
    gateway::Shared,
    news::News,
    tasks::follow::{Followed, Following, heard},
};

/// How long servers may take to grant a subscription before it is acknowledged without them.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a server that could not be listened to is left alone.
const RETRY: Duration = Duration::from_secs(5);
/// Changes of lists within this time are told once.
const GATHER: Duration = Duration::from_millis(50);
/// Notices on their way to one listener; a server waits when there are more.
const QUEUE: usize = 64;

enum Heard {
    Granted(Filter),
    Notice(Notice),
}

/// Listens until the client goes or the gateway stops.
pub(super) async fn listen(shared: Arc<Shared>, call: Call, filter: Filter, stage: Stage) -> Outcome {
    let mut reloads = shared.reloads();
    let mut draining = shared.draining();
    let mut is_first = true;
    loop {
        reloads.borrow_and_update();
        let Some(endpoint) = shared.endpoint(&call.endpoint) else { break };
        let news = News::of(&endpoint, &call.caller);
        let mut ears = Ears::open(&endpoint, &call, &filter).await;
        let mut reader = Reader { endpoint: &endpoint, caller: &call.caller, news };
        let granted = ears.granted().await;
        let notice =
            if std::mem::replace(&mut is_first, false) { Notice::Acknowledged(granted) } else { changed_set() };
        match notice {
            Notice::Acknowledged(_) => stage.say(Event::Notice(notice)).await,
            _ => tell_lists(&stage, &filter, ListKind::ALL.into()).await,
        }
        tokio::select! {
            () = ears.follow(&stage, &filter, &mut reader) => (),
            _ = reloads.changed() => (),
            _ = draining.wait_for(|draining| *draining) => break,
        }
    }
    Outcome::Complete(Raw::empty_object())
}

/// Stands for "everything may have changed".
const fn changed_set() -> Notice {
    Notice::Changed(ListKind::Tools)
}

async fn tell_lists(stage: &Stage, filter: &Filter, kinds: BTreeSet<ListKind>) {
    // Templates change with the resources and have no notice of their own.
    for kind in kinds.into_iter().filter(|kind| *kind != ListKind::Templates && filter.wants(*kind)) {
        stage.say(Event::Notice(Notice::Changed(kind))).await;
    }
}

/// For whom lists change.
struct Reader<'a> {
    endpoint: &'a Endpoint,
    caller: &'a Arc<Caller>,
    news: News,
}

impl Reader<'_> {
    /// Those of the changed lists that changed for this reader.
    async fn sees(&mut self, changed: BTreeSet<ListKind>, filter: &Filter) -> BTreeSet<ListKind> {
        let mut seen = BTreeSet::new();
        for kind in changed.into_iter().filter(|kind| filter.wants(*kind)) {
            if self.news.are_some(self.endpoint, self.caller, kind).await {
                seen.insert(kind);
            }
        }
        seen
    }
}

/// One listener's ears at every server of an endpoint.
struct Ears {
    heard: mpsc::Receiver<Heard>,
    /// What fast servers said while slow ones were waited for.
    early: VecDeque<Notice>,
    _tasks: JoinSet<()>,
    asked: Filter,
    /// How many answer for their part.
    count: usize,
}

impl Ears {
    async fn open(endpoint: &Arc<Endpoint>, call: &Call, filter: &Filter) -> Self {
        let (tell, heard) = mpsc::channel(QUEUE);
        let mut owners = Vec::with_capacity(filter.uris.len());
        for uri in &filter.uris {
            owners.push((endpoint.owner_of(&call.caller, uri).await, uri.clone()));
        }
        let mut tasks = JoinSet::new();
        for member in endpoint.members.iter().filter(|member| endpoint.knows(&call.caller, member)) {
            let name = member.upstream.name();
            let owned = owners.iter().filter(|(owner, _)| owner.as_ref() == Some(name)).map(|(_, uri)| uri.clone());
            let own = Filter { uris: owned.collect(), task_ids: Vec::new(), ..filter.clone() };
            tasks.spawn(hear(endpoint.clone(), member.clone(), call.caller.clone(), own, tell.clone()));
        }
        for followed in endpoint.followed(&call.caller, &filter.task_ids) {
            tasks.spawn(follow(followed, call.caller.clone(), tell.clone()));
        }
        let count = tasks.len();
        Self { heard, early: VecDeque::new(), _tasks: tasks, asked: filter.clone(), count }
    }

    /// What stands: lists always, since the gateway itself changes them; resources as their servers granted them.
    async fn granted(&mut self) -> Filter {
        let deadline = Instant::from_std(clock::now() + PATIENCE);
        let mut granted = Filter { uris: Vec::new(), task_ids: Vec::new(), ..self.asked.clone() };
        let mut answered = 0;
        while answered < self.count {
            match timeout_at(deadline, self.heard.recv()).await {
                Ok(Some(Heard::Granted(filter))) => {
                    answered += 1;
                    granted.uris.extend(filter.uris);
                    granted.task_ids.extend(filter.task_ids);
                }
                Ok(Some(Heard::Notice(notice))) if self.early.len() < QUEUE => self.early.push_back(notice),
                Ok(Some(Heard::Notice(_))) => self.early = everything().map(Notice::Changed).into(),
                Ok(None) | Err(_) => break,
            }
        }
        granted
    }

    /// Tells what is heard; changes of lists that come together are told together.
    async fn follow(&mut self, stage: &Stage, filter: &Filter, reader: &mut Reader<'_>) {
        let mut changed = BTreeSet::new();
        loop {
            let heard = if let Some(notice) = self.early.pop_front() {
                Some(Heard::Notice(notice))
            } else if changed.is_empty() {
                self.heard.recv().await
            } else {
                tokio::select! {
                    heard = self.heard.recv() => heard,
                    () = sleep(GATHER) => {
                        let seen = reader.sees(std::mem::take(&mut changed), filter).await;
                        tell_lists(stage, filter, seen).await;
                        continue;
                    }
                }
            };
            match heard {
                // Templates change with the resources.
                Some(Heard::Notice(Notice::Changed(ListKind::Templates))) => drop(changed.insert(ListKind::Resources)),
                Some(Heard::Notice(Notice::Changed(kind))) => drop(changed.insert(kind)),
                Some(Heard::Notice(notice)) => stage.say(Event::Notice(notice)).await,
                Some(Heard::Granted(_)) => (),
                None => std::future::pending().await,
            }
        }
    }
}

/// Listens to one server for as long as somebody wants to hear; one that cannot be listened to is tried again.
async fn hear(endpoint: Arc<Endpoint>, member: Member, caller: Arc<Caller>, filter: Filter, tell: mpsc::Sender<Heard>) {
    let (upstream, book) = (&member.upstream, &endpoint.book);
    let mut is_late = false;
    loop {
        let group = match upstream.group_now(&caller) {
            Some(group) => Some(group),
            // Nobody has used it yet, and nobody starts it to hear that nothing changed.
            None if filter.uris.is_empty() && upstream.settings().start == Start::Lazy => None,
            None => upstream.group(&caller).await.ok(),
        };
        let listening = match group {
            Some(group) => group.listen(&filter).await.ok(),
            None => None,
        };
        let Some(mut listening) = listening else {
            if !std::mem::replace(&mut is_late, true) && tell.send(Heard::Granted(Filter::default())).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(RETRY) => (),
                () = connected(&member, &caller) => (),
            }
            continue;
        };
        let first = if is_late { everything_changed() } else { vec![Heard::Granted(listening.granted.clone())] };
        for heard in first {
            if tell.send(heard).await.is_err() {
                return;
            }
        }
        while let Some(notices) = listening.next().await {
            for notice in notices {
                // Who visited a URL is nobody else's business, of the same principal or not.
                let concerns = match &notice {
                    Notice::Elicited(_, of) => *of == caller.session,
                    Notice::Extension(..) => listening.tells_unknown(&caller),
                    Notice::Changed(kind) => endpoint.sees_some(&caller, &member, *kind),
                    // A subscription covers what lies below it, of which the caller may not see all.
                    Notice::Updated(uri, ..) => endpoint.sees(&caller, &member, Subject::Resource(uri)),
                    _ => true,
                };
                let Some(notice) = heard(book, &caller, upstream.name(), notice).filter(|_| concerns) else {
                    continue;
                };
                if tell.send(Heard::Notice(notice)).await.is_err() {
                    return;
                }
            }
        }
        // The caller's credential is another one, or none: so may be what it shows.
        is_late = true;
        for heard in everything_changed() {
            if tell.send(heard).await.is_err() {
                return;
            }
        }
    }
}

/// Ready when a caller who must be connected to a server first, and was not, is.
async fn connected(member: &Member, caller: &Caller) {
    match member.upstream.oauth() {
        Some(oauth) if is_unconnected(caller, member) => oauth.connected(&caller.principal).await,
        _ => std::future::pending().await,
    }
}

/// Listens to one server's tasks for as long as somebody wants to hear.
async fn follow(followed: Followed, caller: Arc<Caller>, tell: mpsc::Sender<Heard>) {
    let mut is_late = false;
    loop {
        let listening = followed.listen(&caller).await;
        if !std::mem::replace(&mut is_late, true) {
            let task_ids = listening.as_ref().map(Following::granted).unwrap_or_default();
            if tell.send(Heard::Granted(Filter { task_ids, ..Filter::default() })).await.is_err() {
                return;
            }
        }
        if let Ok(mut listening) = listening {
            while let Some(notice) = listening.next().await {
                if tell.send(Heard::Notice(notice)).await.is_err() {
                    return;
                }
            }
        }
        sleep(RETRY).await;
    }
}

const fn everything() -> [ListKind; 3] {
    [ListKind::Tools, ListKind::Prompts, ListKind::Resources]
}

fn everything_changed() -> Vec<Heard> {
    everything().map(|kind| Heard::Notice(Notice::Changed(kind))).into()
}
