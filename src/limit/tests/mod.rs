mod flow;
mod kit;
mod queue;
mod quota;
mod subject;
