//! The label values of metrics: closed sets, so that nothing a client sends can grow a metric.

/// A closed set of label values.
pub trait Label: Copy + 'static {
    /// All values.
    const VALUES: &'static [Self];
    /// The value as metrics and the log write it.
    fn text(self) -> &'static str;
    /// Its place among the values.
    fn index(self) -> usize;
}

/// A closed set of label values: an enum with a name for each variant.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All values, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value as metrics and the log write it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }

        impl Label for $name {
            const VALUES: &'static [Self] = Self::ALL;

            fn text(self) -> &'static str {
                self.name()
            }

            #[expect(clippy::as_conversions, reason = "the discriminants of a field-less enum count from 0")]
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// What a server offers, thing by thing.
    Thing {
        /// A tool.
        Tool = "tool",
        /// A prompt.
        Prompt = "prompt",
        /// A resource.
        Resource = "resource",
        /// A resource template.
        Template = "template",
        /// What the server says of itself.
        Instructions = "instructions",
    }
}

labels! {
    /// Which family of revisions a client speaks.
    Era {
        /// 2026-07-28 and later.
        Modern = "modern",
        /// 2024-11-05 to 2025-11-25.
        Legacy = "legacy",
        /// It cannot be told: the request was refused before.
        Unknown = "unknown",
    }
}

labels! {
    /// What a client asks for: methods that cost alike are counted as one.
    Method {
        /// `initialize`
        Initialize = "initialize",
        /// `server/discover`
        Discover = "server/discover",
        /// `ping`
        Ping = "ping",
        /// `tools/list`
        ToolsList = "tools/list",
        /// `tools/call`
        ToolsCall = "tools/call",
        /// `resources/list`, `resources/templates/list`
        ResourcesList = "resources/list",
        /// `resources/read`
        ResourcesRead = "resources/read",
        /// `resources/subscribe`, `resources/unsubscribe`
        ResourcesSubscribe = "resources/subscribe",
        /// `prompts/list`
        PromptsList = "prompts/list",
        /// `prompts/get`
        PromptsGet = "prompts/get",
        /// `completion/complete`
        Complete = "completion/complete",
        /// `logging/setLevel`
        SetLevel = "logging/setLevel",
        /// `subscriptions/listen`, a legacy GET stream
        Listen = "subscriptions/listen",
        /// `tasks/…`
        Tasks = "tasks",
        /// `notifications/…`
        Notification = "notification",
        /// A client's answer to a question
        Response = "response",
        /// Anything else
        Other = "other",
    }
}

impl Method {
    /// The group of a JSON-RPC method.
    pub fn of(method: &str) -> Self {
        match method {
            "initialize" => Self::Initialize,
            "server/discover" => Self::Discover,
            "ping" => Self::Ping,
            "tools/list" => Self::ToolsList,
            "tools/call" => Self::ToolsCall,
            "resources/list" | "resources/templates/list" => Self::ResourcesList,
            "resources/read" => Self::ResourcesRead,
            "resources/subscribe" | "resources/unsubscribe" => Self::ResourcesSubscribe,
            "prompts/list" => Self::PromptsList,
            "prompts/get" => Self::PromptsGet,
            "completion/complete" => Self::Complete,
            "logging/setLevel" => Self::SetLevel,
            "subscriptions/listen" => Self::Listen,
            _ if method.starts_with("tasks/") => Self::Tasks,
            _ if method.starts_with("notifications/") => Self::Notification,
            _ => Self::Other,
        }
    }
}

labels! {
    /// What the rules said of a call.
    Decision {
        /// It went on.
        Allowed = "allowed",
        /// It went on, and would not have with the rules in shadow.
        ShadowDenied = "shadow_denied",
        /// Its caller's token lacks a scope.
        ScopeNeeded = "scope_needed",
        /// It was refused.
        Denied = "denied",
    }
}

labels! {
    /// How a call ended.
    Outcome {
        /// With a result.
        Ok = "ok",
        /// With a result by which a tool reports its failure (`isError`).
        ToolError = "tool_error",
        /// With questions to the client.
        InputRequired = "input_required",
        /// The client went away or cancelled.
        Cancelled = "cancelled",
        /// Refused at the door: limits of HTTP, `Origin`, `Host`, a body that is no JSON-RPC.
        Refused = "refused",
        /// Parameters, cursors or tokens that make no sense.
        InvalidParams = "invalid_params",
        /// A header contradicts the body.
        HeaderMismatch = "header_mismatch",
        /// No such method.
        UnknownMethod = "unknown_method",
        /// No such tool, prompt or resource.
        NotFound = "not_found",
        /// The client lacks a capability.
        MissingCapability = "missing_capability",
        /// The token lacks a scope.
        Scope = "insufficient_scope",
        /// The token ended while the call was made.
        TokenEnded = "token_ended",
        /// The policy does not allow it.
        Denied = "denied",
        /// Beyond a limit.
        Limited = "limited",
        /// The server's own error.
        UpstreamError = "upstream_error",
        /// The server did not answer in time.
        UpstreamTimeout = "upstream_timeout",
        /// The server broke down or broke the rules.
        UpstreamBroken = "upstream_broken",
        /// The gateway is shutting down.
        Draining = "draining",
        /// Another gateway was lost with the call.
        Lost = "lost",
        /// The audit log cannot be written, and calls are refused for that.
        Unaudited = "unaudited",
        /// A mistake of the gateway.
        Internal = "internal",
        /// A label that this list does not know.
        Other = "other",
    }
}

impl Outcome {
    /// The outcome of that name, such as a fault's label.
    pub fn of(name: &str) -> Self {
        Self::ALL.iter().copied().find(|outcome| outcome.name() == name).unwrap_or(Self::Other)
    }
}

labels! {
    /// Why a request did not come in.
    Unauthenticated {
        /// There was no token.
        NoToken = "no_token",
        /// The token was not valid.
        InvalidToken = "invalid_token",
        /// The token lacked a scope.
        Scope = "insufficient_scope",
        /// The credentials could not be read.
        Malformed = "malformed",
        /// Whoever knows the token did not answer, or too many were asked about.
        Unavailable = "unavailable",
    }
}

labels! {
    /// What came of looking a token up elsewhere.
    Lookup {
        /// It is somebody's.
        Known = "known",
        /// It is nobody's here.
        Refused = "refused",
        /// There was no answer.
        Unavailable = "unavailable",
    }
}

labels! {
    /// A limit that something ran into.
    Limit {
        /// Requests in flight.
        Requests = "requests",
        /// Size of a request's body.
        Body = "body",
        /// Calls waiting for a server.
        Queue = "queue",
        /// Open streams.
        Streams = "streams",
        /// Legacy sessions.
        Sessions = "sessions",
        /// Subscriptions of a session.
        Subscriptions = "subscriptions",
        /// Calls parked while their client answers.
        Parked = "parked",
        /// Questions of a server in one call.
        CallQuestions = "call_questions",
        /// Questions of one child or session.
        ChildQuestions = "child_questions",
        /// Questions of a server before any call.
        EarlyQuestions = "early_questions",
        /// Messages to a server that nobody waits for.
        MessagesAside = "messages_aside",
        /// Invitations of a principal to agree that servers are called in its name.
        Consents = "consents",
        /// Tokens that are looked up elsewhere.
        Lookups = "lookups",
        /// One of the operator's limits per address.
        PerAddress = "per_address",
        /// One of the operator's limits per principal.
        PerPrincipal = "per_principal",
        /// One of the operator's limits per group.
        PerGroup = "per_group",
        /// One of the operator's limits per endpoint.
        PerEndpoint = "per_endpoint",
        /// One of the operator's limits per server.
        PerServer = "per_server",
        /// One of the operator's limits per tool.
        PerTool = "per_tool",
        /// One of the operator's limits per several of these together.
        Combined = "combined",
    }
}

labels! {
    /// What a server is doing.
    UpstreamState {
        /// Nobody needs it yet.
        Idle = "idle",
        /// It is being started or connected.
        Starting = "starting",
        /// It answers.
        Ready = "ready",
        /// It failed and is tried again after a while.
        BackingOff = "backing_off",
        /// It failed too often and is left alone.
        Parked = "parked",
    }
}

labels! {
    /// What became of a result that was too large.
    Overlong {
        /// Its call failed.
        Refused = "refused",
        /// Its text was cut.
        Cut = "cut",
    }
}

labels! {
    /// What a server lists.
    List {
        /// `tools/list`
        Tools = "tools",
        /// `prompts/list`
        Prompts = "prompts",
        /// `resources/list`
        Resources = "resources",
        /// `resources/templates/list`
        Templates = "templates",
    }
}

labels! {
    /// Whether a replica of a server is used.
    ReplicaCondition {
        /// It is.
        Healthy = "healthy",
        /// Looks at it fail.
        Unhealthy = "unhealthy",
        /// Calls to it failed: it is left out for a while.
        Ejected = "ejected",
        /// It is named no longer, and ends what it began.
        Leaving = "leaving",
    }
}

labels! {
    /// Whether a server is called.
    BreakerState {
        /// It is.
        Closed = "closed",
        /// One call is let through, to see.
        HalfOpen = "half_open",
        /// It is left alone for a while.
        Open = "open",
    }
}

labels! {
    /// Where a list came from.
    ListSource {
        /// From memory.
        Hit = "hit",
        /// From the server.
        Miss = "miss",
        /// From memory although no longer fresh: it is read anew, or the server does not answer.
        Stale = "stale",
        /// From before the server ran as it does: it is read anew, or the server sleeps.
        Persisted = "persisted",
        /// From nowhere: the server was never heard of it.
        Missing = "missing",
    }
}

labels! {
    /// Whether something worked.
    Success {
        /// It did.
        Ok = "ok",
        /// It did not.
        Failed = "failed",
    }
}

labels! {
    /// What came of a request that was sent on to another gateway.
    Hop {
        /// It was answered.
        Answered = "answered",
        /// There was nobody: what it was about does not exist any more.
        Gone = "gone",
        /// It was sent, and the other gateway was lost.
        Lost = "lost",
    }
}

labels! {
    /// Which way bytes go, as the gateway sees it.
    Direction {
        /// From a client.
        In = "in",
        /// To a client.
        Out = "out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_label_is_its_index() {
        assert!(Method::ALL.iter().enumerate().all(|(place, method)| method.index() == place));
        assert!(Outcome::ALL.iter().enumerate().all(|(place, outcome)| outcome.index() == place));
    }

    #[test]
    fn names_from_outside_fall_into_the_closed_set() {
        assert_eq!(Method::of("tools/call"), Method::ToolsCall);
        assert_eq!(Method::of("tasks/get"), Method::Tasks);
        assert_eq!(Method::of("evil\"} 1\nx"), Method::Other);
        assert_eq!(Outcome::of("upstream_timeout"), Outcome::UpstreamTimeout);
        assert_eq!(Outcome::of("no such label"), Outcome::Other);
    }
}
