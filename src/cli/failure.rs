//! Why a command failed, and what to do next.

use std::{error::Error, io, iter, net::SocketAddr, path::PathBuf, process::ExitCode};

use http::Uri;
use myelin::{
    app::{HopError, RunError},
    config,
    downstream::listener::BindError,
    jsonrpc::ErrorObject,
    mcp::{Fault, UpstreamFault},
    telemetry::log::LogError,
    upstream::wire::http::ClientFault,
};

use super::{
    exit::Code,
    terminal::{ERROR, HINT, plain},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Problems(#[from] config::Problems),
    #[error("{origin}: there is no endpoint {path}; it has {}", .known.join(", "))]
    NoEndpoint { origin: String, path: String, known: Vec<String> },
    #[error("the arguments are not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("the arguments are JSON, but not an object")]
    NotAnObject,
    #[error("`{0}` is not key=value")]
    NotAPair(String),
    #[error("`{key}` wants {wanted}, not `{value}`")]
    WrongType { key: String, wanted: &'static str, value: String },
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{0} is not a loopback address, and nothing says who may come in there")]
    OpenToAll(SocketAddr),
    #[error("{0}")]
    Key(myelin::auth::KeyFault),
    #[error("{}", told(.0))]
    Audit(myelin::audit::VerifyFault),
    #[error("{}: {source}", path.display())]
    Written { path: PathBuf, source: serde_json::Error },
    #[error("the call is about nothing: write a `tool`, `prompt`, `resource` or `method`")]
    NoCall,
    #[error("there is no server `{0}` in the configuration")]
    NoServer(String),
    #[error("there is no server `{}`", plain(name))]
    UnknownServer { name: String, near: Option<String> },
    #[error("the name does not say which server is meant")]
    WhichServer,
    #[error("{}", told(.0))]
    Rule(myelin::policy::RuleFault),
    #[error("{} {fault}", path.display())]
    Lock { path: PathBuf, fault: myelin::pin::LockFault },
    #[error("there is no tool `{name}`")]
    NoSuchTool { name: String, near: Option<String> },
    #[error("{url}: {}", told(.fault))]
    Address { url: Box<Uri>, fault: ClientFault },
    #[error("{server}: {}", told(.fault))]
    Client { server: String, fault: ClientFault },
    #[error("no gateway answers at {0}")]
    NoGateway(Box<Uri>),
    #[error("no gateway answers at {admin}: {source}")]
    NoHealth { admin: SocketAddr, source: io::Error },
    #[error("the gateway at {0} refused: {1}")]
    OperatorRefused(SocketAddr, String),
    #[error("the gateway at {0} takes no calls")]
    NotServing(SocketAddr),
    #[error("{server} {fault}")]
    Broken { server: String, fault: UpstreamFault },
    #[error("{} (error {})", plain(&.0.message), .0.code)]
    Refused(Box<ErrorObject>),
    #[error("the call failed: {}", .0.label())]
    Failed(Fault),
    #[error("the server asked for what a command line cannot give")]
    Unanswerable,
    #[error("the server asked again and again")]
    EndlessQuestions,
    #[error("{}", told(.0))]
    Log(#[from] LogError),
    #[error("{}", told(.0))]
    Run(#[from] RunError),
    #[error("{0}")]
    System(#[from] io::Error),
}

impl Failure {
    /// Says it on stderr.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            // Whoever read the output has seen enough.
            Self::System(error) if error.kind() == io::ErrorKind::BrokenPipe => return Code::Done.into(),
            Self::Problems(problems) => anstream::eprintln!("{problems}"),
            _ => anstream::eprintln!("{ERROR}error:{ERROR:#} {self}"),
        }
        if let Some(hint) = self.hint() {
            anstream::eprintln!("{HINT}  {hint}{HINT:#}");
        }
        self.code().into()
    }

    pub(super) const fn code(&self) -> Code {
        match self {
            Self::Problems(_) | Self::NoEndpoint { .. } | Self::Client { .. } | Self::Rule(_) | Self::Lock { .. } => {
                Code::Configuration
            }
            Self::Key(_)
            | Self::Audit(_)
            | Self::Written { .. }
            | Self::NoCall
            | Self::NoServer(_)
            | Self::UnknownServer { .. }
            | Self::WhichServer
            | Self::NotJson(_)
            | Self::NotAnObject
            | Self::NotAPair(_)
            | Self::WrongType { .. }
            | Self::Unreadable { .. }
            | Self::Exists(_)
            | Self::OpenToAll(_)
            | Self::NoSuchTool { .. }
            | Self::Address { .. }
            | Self::Log(LogError::Filter(_)) => Code::Usage,
            Self::NoGateway(_) | Self::NoHealth { .. } | Self::NotServing(_) | Self::Broken { .. } => Code::Unreachable,
            Self::OperatorRefused(..)
            | Self::Refused(_)
            | Self::Failed(_)
            | Self::Unanswerable
            | Self::EndlessQuestions => Code::ToolFailed,
            Self::Run(error) => run_code(error),
            Self::Log(LogError::Taken) | Self::System(_) | Self::Unwritable { .. } => Code::Software,
        }
    }

    /// What to do next.
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotJson(_) | Self::NotAnObject | Self::NotAPair(_) => {
                r#"write key=value pairs, '{"key": "value"}', @file or - for stdin"#.to_owned()
            }
            Self::WhichServer => r#"write "server" beside the tool"#.to_owned(),
            Self::Exists(_) => "remove it, or choose another name".to_owned(),
            Self::OpenToAll(_) => {
                "listen on a loopback address such as 127.0.0.1:8808, or say in a file who may come in: `auth` (with `publicUrl` beside issuers), or `anonymous: allow`".to_owned()
            }
            Self::UnknownServer { near: Some(near), .. } | Self::NoSuchTool { near: Some(near), .. } => format!("did you mean `{}`?", plain(near)),
            Self::UnknownServer { near: None, .. } => "see what there is with `myelin servers`".to_owned(),
            Self::NoSuchTool { near: None, .. } => "see what there is with `myelin tools`".to_owned(),
            Self::NoGateway(url) if is_loopback(url) => "start one with `myelin run`, or name another address with --url".to_owned(),
            Self::NoGateway(_) => "check the address, or start a gateway with `myelin run`".to_owned(),
            Self::NoHealth { .. } => "name the address that `admin` has in the gateway's configuration".to_owned(),
            Self::Broken { fault: UpstreamFault::Unauthorized, .. } => {
                "give a credential with --header 'Authorization: Bearer …'".to_owned()
            }
            Self::Broken { fault: UpstreamFault::Gone, .. } => "start its command by hand to see what it prints".to_owned(),
            Self::Run(RunError::Listen(BindError::Address(..))) => "give another address with --listen".to_owned(),
            Self::Run(RunError::Admin(BindError::Address(..))) => {
                "write `admin: { listen: ADDRESS }` with another address into a file, or `admin: off`".to_owned()
            }
            Self::Run(RunError::Others(HopError::Listen(BindError::Address(..)))) => {
                "write another address into `replicas.listen`".to_owned()
            }
            Self::Log(LogError::Filter(_)) | Self::Run(RunError::Log(LogError::Filter(_))) => "write error, warn, info, debug, trace or info,myelin::upstream=debug".to_owned(),
            _ => return None,
        })
    }
}

fn is_loopback(url: &Uri) -> bool {
    matches!(url.host(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

const fn run_code(error: &RunError) -> Code {
    match error {
        RunError::Log(LogError::Filter(_)) => Code::Usage,
        RunError::Log(LogError::Taken) | RunError::System(_) | RunError::Audit(_) => Code::Software,
        // Perhaps the other program ends: this is worth another try, unlike a configuration that does not hold.
        RunError::Listen(BindError::Address(..))
        | RunError::Admin(BindError::Address(..))
        | RunError::Others(HopError::Listen(BindError::Address(..))) => Code::Unreachable,
        RunError::Listen(BindError::Tls(_))
        | RunError::Admin(BindError::Tls(_))
        | RunError::Others(_)
        | RunError::Build(_)
        | RunError::State(_)
        | RunError::Ledger(_)
        | RunError::Redis(_) => Code::Configuration,
    }
}

/// An error with its causes: each says only its own part.
fn told(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
