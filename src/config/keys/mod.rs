//! Every key of a configuration: its name, its form, its default and its documentation.
//!
//! This is the only list. Reading, did-you-mean, the JSON Schema and therefore an editor's completion come from it.

mod admin;
mod audit;
mod auth;
mod credential;
mod discovery;
mod egress;
mod endpoint;
mod file;
mod hop;
mod http;
mod limit;
mod matching;
mod policy;
mod redis;
mod remote;
mod sandbox;
mod server;

pub(super) use self::{
    admin::AdminKeys,
    audit::{ArgumentKeys, AuditKeys},
    auth::{ApiKeyKeys, AuthKeys, CertificateKeys, IntrospectionKeys, IssuerKeys, KubernetesKeys, LoginKeys},
    credential::{AssertionKeys, OauthClientKeys, ServerAuthKeys, SigningKeys, UserOauthKeys},
    discovery::{KubernetesServicesKeys, TemplateKeys},
    endpoint::EndpointKeys,
    file::{FileKeys, ListKeys, LogKeys, SealingKeys, TlsKeys},
    http::{HttpKeys, QuestionKeys, SessionKeys},
    limit::LimitKeys,
    matching::MatchKeys,
    policy::RuleKeys,
    redis::RedisKeys,
    remote::{BreakerKeys, EjectionKeys, HealthKeys},
    sandbox::{CgroupKeys, FileRuleKeys, ResourceKeys, SandboxKeys},
    server::{PingKeys, PoolKeys, RestartKeys, RetryKeys, ServerKeys, ServerOptions, ToolKeys},
};
