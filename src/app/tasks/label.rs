//! The names of tasks in what passes between their server and their client: one id on each side, in both directions.

use crate::{
    era::{legacy, modern},
    jsonrpc::Raw,
    mcp::{Event, Fault, NewTask, Notice, Outcome, Reply, Stage, TaskAct, TaskForm},
};

/// Passes a conversation about a task on, each side hearing the id that it knows.
pub(super) async fn relabelled(mut reply: Reply, stage: &Stage, own: &str, id: &str) -> Outcome {
    loop {
        tokio::select! {
            event = reply.next() => match event {
                Event::End(outcome) => return outcome,
                event => stage.say(told(event, own, id)).await,
            },
            (ask, answer) = stage.answered() => {
                reply.answer(ask, answer.map(|answer| renamed(&answer, id, own)));
            }
        }
    }
}

/// What is said of the task with one id, said of it by the other. What is said of another task stays as it is.
pub(super) fn renamed(message: &Raw, from: &str, to: &str) -> Raw {
    match legacy::task::related(message) {
        Some(related) if related == from => legacy::task::related_to(message, to),
        _ => message.clone(),
    }
}

fn told(event: Event, own: &str, id: &str) -> Event {
    match event {
        Event::Notice(Notice::Progress(params)) => Event::Notice(Notice::Progress(renamed(&params, own, id))),
        Event::Notice(Notice::Log(level, params)) => Event::Notice(Notice::Log(level, renamed(&params, own, id))),
        Event::Notice(Notice::Extension(method, params)) => {
            Event::Notice(Notice::Extension(method, params.map(|params| renamed(&params, own, id))))
        }
        Event::Ask(mut ask) => {
            ask.params = ask.params.map(|params| renamed(&params, own, id));
            Event::Ask(ask)
        }
        event => event,
    }
}

/// The outcome of a request about a task, by the id that the client used.
pub(super) fn outcome(form: TaskForm, act: TaskAct, outcome: Outcome, own: &str, id: &str) -> Outcome {
    match outcome {
        Outcome::Complete(result) => Outcome::Complete(match (form, act) {
            (TaskForm::Extension, _) => modern::task::named(&result, id),
            (_, TaskAct::Result) => renamed(&result, own, id),
            _ => legacy::task::named(&result, id),
        }),
        Outcome::Failed(Fault::Upstream(error)) if !own.is_empty() => {
            let message = error.message.replace(own, id);
            Outcome::Failed(Fault::Upstream(error.with_message(message)))
        }
        outcome => outcome,
    }
}

/// A new task by the id that its owner will know.
pub(super) fn created(form: TaskForm, task: NewTask, id: &str) -> NewTask {
    let result = match form {
        TaskForm::Extension => modern::task::named(&task.result, id),
        TaskForm::Core | TaskForm::Unspoken => legacy::task::created_as(&task.result, id),
    };
    NewTask { result, id: id.to_owned(), ..task }
}
