//! The whole file: every section but the servers and endpoints.

use std::{net::SocketAddr, path::PathBuf};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::{
    audit, auth, credential, discovery, endpoint,
    found::{LEAST_KEY, section, values},
    hop, limit, pin, policy, server,
};
use crate::{
    config::{
        ProcessEnvironment,
        keys::{FileKeys, HttpKeys, ListKeys, LogKeys, QuestionKeys, SealingKeys, SessionKeys, TlsKeys},
        place::{Place, Position},
        problem::{ProblemKind, Remark},
        settings::{ListSettings, LogFormat, LogSettings, Settings},
        shape::{Reader, Servers},
        shapes::LogWord,
    },
    dialogue::ParkSettings,
    downstream::{
        proxies::{ForwardedHeader, ProxyProtocol, ProxySettings},
        settings::{ClientTlsSettings, HttpSettings, ListenerSettings, SessionSettings, TlsSettings},
    },
    redact::Redacted,
    upstream::settings::{EgressSettings, UpstreamSettings},
};

/// The settings of a whole file. They are whole only when `reader` holds no problem afterwards.
pub(in crate::config) fn settings(keys: FileKeys, reader: &mut Reader<'_>) -> Settings {
    let listener = listener(&keys, reader);
    if keys.discovery.is_some() {
        reader.servers = Servers::Found;
    }
    let options = section(keys.defaults.clone());
    let servers = keys.servers.clone().map(|found| found.value).unwrap_or_default();
    let upstreams = server::all(&servers, &options, reader);
    credential::check(&upstreams, &keys, reader);
    let names: Vec<server::Listed<'_>> = servers.iter().map(server::Listed::of).collect();
    let endpoints = endpoint::all(keys.endpoints.clone(), &names, reader);
    Settings {
        auth: auth::settings(&keys, &listener, reader),
        limits: limit::settings(&keys, reader),
        redis: limit::redis(keys.redis.as_ref(), reader),
        audit: audit::settings(&keys, reader),
        hops: hop::settings(&keys, &listener, reader),
        egress: EgressSettings { allow: values(section(keys.egress.clone()).allow) },
        policy: policy::settings(&keys, &names, &endpoints, reader),
        admin: admin(&keys, &listener, reader),
        admin_token: admin_token(&keys, reader),
        http: http(section(keys.http.clone()), reader),
        sessions: sessions(&section(keys.sessions.clone())),
        questions: questions(&section(keys.questions.clone())),
        lists: lists(&section(keys.lists.clone())),
        discovery: discovery::settings(&keys, &endpoints, reader),
        endpoints,
        upstreams,
        sealing_keys: sealing_keys(section(keys.sealing.clone()), reader),
        state_dir: state_dir(&keys, reader),
        signing_keys: credential::signing(section(keys.signing.clone()), reader),
        pins: pin::pins(&keys, reader),
        log: log(&section(keys.log.clone()), reader),
        drain: keys.drain(),
        max_starts: keys.max_starts(),
        threads: keys.threads.map(|found| found.value),
        listener,
    }
}

impl Settings {
    /// What holds without a file: all defaults, with `upstreams` behind `/mcp`.
    pub fn default_with(upstreams: Vec<UpstreamSettings>) -> Self {
        let environment = ProcessEnvironment::new("");
        let settings = settings(FileKeys::default(), &mut Reader::new(&environment));
        let endpoints = vec![endpoint::default(upstreams.iter().map(|upstream| upstream.name.clone()).collect())];
        Self { upstreams, endpoints, ..settings }
    }
}

fn listener(keys: &FileKeys, reader: &mut Reader<'_>) -> ListenerSettings {
    let address = keys.listen();
    let open = !address.ip().to_canonical().is_loopback()
        && keys.anonymous.is_none()
        && !auth::asks_somebody(keys)
        && !reader.reported(&Place::file(), "anonymous");
    if let (true, Some(listen)) = (open, &keys.listen) {
        reader.report(&listen.place, ProblemKind::OpenToAll);
    }
    let tls = keys.tls.as_ref().and_then(|tls| tls_settings(&tls.value, &tls.place, reader));
    ListenerSettings { address, tls }
}

fn tls_settings(keys: &TlsKeys, place: &Place, reader: &mut Reader<'_>) -> Option<TlsSettings> {
    let clients = client_settings(keys, reader);
    match (&keys.cert, &keys.key) {
        (Some(cert), Some(key)) => {
            return Some(TlsSettings { cert: cert.value.clone(), key: key.value.clone(), clients });
        }
        (None, _) if !reader.reported(place, "cert") => {
            reader.report(place, ProblemKind::Incomplete { needed: "cert" });
        }
        (_, None) if !reader.reported(place, "key") => reader.report(place, ProblemKind::Incomplete { needed: "key" }),
        _ => {}
    }
    None
}

fn client_settings(keys: &TlsKeys, reader: &mut Reader<'_>) -> Option<ClientTlsSettings> {
    if let Some(ca) = &keys.client_ca {
        let crl = keys.crl.as_ref().map(|found| found.value.clone());
        return Some(ClientTlsSettings { ca: ca.value.clone(), crl, auth: keys.client_auth() });
    }
    let alone = [keys.client_auth.as_ref().map(|found| &found.place), keys.crl.as_ref().map(|found| &found.place)];
    for place in alone.into_iter().flatten() {
        reader.report(place, ProblemKind::OfTheOtherWire { beside: "clientCa" });
    }
    None
}

fn admin_token(keys: &FileKeys, reader: &mut Reader<'_>) -> Option<Redacted<String>> {
    let token = keys.admin()?.token?;
    if let (true, Some(admin)) = (token.expose().chars().count() < auth::LEAST_TOKEN, &keys.admin) {
        reader.report(&admin.place.key("token", Position::START), ProblemKind::WeakToken { least: auth::LEAST_TOKEN });
    }
    Some(token)
}

fn admin(keys: &FileKeys, listener: &ListenerSettings, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let address = keys.admin()?.address;
    if address == listener.address && address.port() != 0 {
        let place = keys.admin.as_ref().map(|found| &found.place).or(keys.listen.as_ref().map(|found| &found.place));
        reader.report(place.unwrap_or(&Place::file()), ProblemKind::SameAddress);
    }
    Some(address)
}

fn http(keys: HttpKeys, reader: &mut Reader<'_>) -> HttpSettings {
    // What nobody is trusted to say is not read.
    let unheard = [
        keys.forwarded_header
            .as_ref()
            .filter(|found| found.value != ForwardedHeader::default())
            .map(|found| &found.place),
        keys.proxy_protocol.as_ref().filter(|found| found.value == ProxyProtocol::On).map(|found| &found.place),
    ];
    for place in unheard.into_iter().flatten().filter(|_| keys.trusted_proxies.is_none()) {
        reader.report(place, ProblemKind::OfTheOtherWire { beside: "trustedProxies" });
    }
    let (header, protocol) = (keys.forwarded_header(), keys.proxy_protocol());
    let proxies = ProxySettings { trusted: values(keys.trusted_proxies.clone()), header, protocol };
    HttpSettings {
        max_body_bytes: keys.max_body(),
        max_header_bytes: keys.max_headers(),
        header_timeout: keys.header_timeout(),
        idle_timeout: keys.idle_timeout(),
        body_timeout: keys.body_timeout(),
        max_connections: keys.max_connections(),
        max_requests: keys.max_requests(),
        keep_alive: keys.keep_alive(),
        write_timeout: keys.write_timeout(),
        max_depth: keys.max_depth(),
        max_batch: keys.max_batch(),
        max_streams: keys.max_streams(),
        allowed_origins: values(keys.allowed_origins),
        allowed_hosts: values(keys.allowed_hosts),
        proxies,
    }
}

fn sessions(keys: &SessionKeys) -> SessionSettings {
    SessionSettings {
        max: keys.max(),
        max_per_principal: keys.max_per_principal(),
        idle_timeout: keys.idle_timeout(),
        resume_events: keys.resume_events(),
        resume_bytes: keys.resume_bytes(),
        resume_grace: keys.resume_grace(),
        max_subscriptions: keys.max_subscriptions(),
        max_questions: keys.max_questions(),
        question_timeout: keys.question_timeout(),
    }
}

fn questions(keys: &QuestionKeys) -> ParkSettings {
    ParkSettings {
        lifetime: keys.lifetime(),
        max: keys.max_parked(),
        max_per_principal: keys.max_parked_per_principal(),
        gather: keys.gather(),
        max_rounds: u32::try_from(keys.max_rounds()).unwrap_or(u32::MAX),
    }
}

fn lists(keys: &ListKeys) -> ListSettings {
    ListSettings {
        deadline: keys.deadline(),
        page_size: keys.page_size(),
        ttl: keys.ttl(),
        max_stale: keys.max_stale(),
        max_entries: keys.max_entries(),
        max_kept_bytes: keys.max_kept(),
    }
}

/// What is sealed under a key that is made at each start cannot be opened after the next one.
fn state_dir(keys: &FileKeys, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let found = keys.state_dir.as_ref()?;
    if section(keys.sealing.clone()).keys.is_none_or(|keys| keys.value.is_empty()) {
        reader.report(&found.place, ProblemKind::Incomplete { needed: "sealing.keys" });
    }
    Some(found.value.clone())
}

fn sealing_keys(keys: SealingKeys, reader: &mut Reader<'_>) -> Vec<Redacted<String>> {
    let list = section(keys.keys);
    for key in list.iter().filter(|key| key.value.expose().chars().count() < LEAST_KEY) {
        reader.report(&key.place, ProblemKind::WeakSealingKey { least: LEAST_KEY });
    }
    list.into_iter().map(|found| found.value).collect()
}

fn log(keys: &LogKeys, reader: &mut Reader<'_>) -> LogSettings {
    let format = match keys.format() {
        LogWord::Fixed(format) => format,
        LogWord::Auto if reader.environment.log_is_terminal() => LogFormat::Pretty,
        LogWord::Auto => LogFormat::Json,
    };
    let filter = keys.level();
    if let (Some(level), false) = (&keys.level, is_log_filter(&filter)) {
        const WANTED: &str =
            "a level (`error`, `warn`, `info`, `debug`, `trace`) or a filter such as `info,myelin::upstream=debug`";
        reader.report(
            &level.place,
            ProblemKind::Expected { wanted: WANTED, got: reader.quoted(&level.value, &level.place) },
        );
    }
    LogSettings { format, filter }
}

/// The filter's own parser takes a misspelt level for the name of a module, so a word by itself must be a level here.
fn is_log_filter(filter: &str) -> bool {
    let level_or_pair = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    filter.split(',').all(level_or_pair) && EnvFilter::try_new(filter).is_ok()
}

/// Says that there is nothing to serve, which is allowed: servers may come with the next reload.
pub(in crate::config) fn note_emptiness(settings: &Settings, place: &Place, reader: &mut Reader<'_>) {
    if settings.upstreams.is_empty() && settings.discovery.is_none() {
        reader.note(place, Remark::NoServers);
    }
}
